"""Nouns in, text and bytes out, without TensorFlow."""
