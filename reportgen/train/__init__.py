"""Data and a model in: the only package that imports TensorFlow at module level."""
