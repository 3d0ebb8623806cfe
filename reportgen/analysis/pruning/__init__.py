"""Units that can go, and what has to be done to the weights for it."""
