"""From data and a model to the files of a report, and from a report on disk to new pages."""
