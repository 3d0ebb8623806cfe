"""A model in: trained, loaded from a file that is not trusted, or taken live."""
