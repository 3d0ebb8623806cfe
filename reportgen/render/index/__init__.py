"""Many reports as one page and as a feed."""
