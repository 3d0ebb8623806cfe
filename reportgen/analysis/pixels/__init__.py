"""Which range of pixels a model takes."""
