"""Arrays as pictures."""
