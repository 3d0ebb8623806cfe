"""What is concluded from a unit's values beyond its state: numpy alone, no TensorFlow."""
