"""Stands in for TensorFlow in the processes that fast tests start."""

raise ImportError("a test that starts TensorFlow in a process of its own needs the marker slow")
