"""Verdicts on units from what the pass left behind: pure numpy."""
