"""Bytes out to the world."""
