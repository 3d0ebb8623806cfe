"""Why the model took an image for one class rather than for another: maps of the pixels, and whether to trust them."""
