"""A live model and images in, nouns out."""
