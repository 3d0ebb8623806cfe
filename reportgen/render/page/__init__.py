"""A Record as one HTML page, for the screen or for paper."""
