"""The one pass: a model's graph, where its units are read, and what every image leaves behind."""
