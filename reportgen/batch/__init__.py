"""Many models: a report for each, made by a few processes here or by the workers of a cluster."""
