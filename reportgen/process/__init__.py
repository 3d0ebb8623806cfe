"""Processes of reportgen's own: how they start, end with their parent, and tell how they died."""
