"""One module for each command that works on finished reports."""
