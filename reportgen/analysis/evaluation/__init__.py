"""How good the model's answers are, and what the data is."""
