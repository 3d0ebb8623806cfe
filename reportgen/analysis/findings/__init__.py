"""What is worth a reader's attention, ranked."""
