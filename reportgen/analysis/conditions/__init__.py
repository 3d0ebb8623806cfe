"""What a unit answers to, in words that carry their own score."""
