"""What changed between reports, and whether it is good enough; pure, without TensorFlow."""
