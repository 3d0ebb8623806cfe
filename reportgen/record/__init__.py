"""The nouns: what one run found out, by topic, and how it lies on disk."""
