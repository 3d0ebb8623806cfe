"""A report as CI systems show it."""
