"""A model file judged before Keras sees it: in a process of its own, without TensorFlow."""
