"""What the model does without each unit: which classes it still recognises."""
