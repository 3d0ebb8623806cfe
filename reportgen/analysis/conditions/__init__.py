"""What a unit responds to, in words that carry their own score."""
