"""Labelled images in, from every source and layout that people have."""
