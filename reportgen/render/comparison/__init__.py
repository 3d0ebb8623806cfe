"""What changed since a baseline, as a page and for a terminal."""
