"""What developers run by hand, and slow definitions that tests compare fast code with; nothing here is installed."""
