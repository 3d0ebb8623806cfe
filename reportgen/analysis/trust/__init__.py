"""Whether the figures can be believed: copies of images within and across splits, and labels that look wrong."""
