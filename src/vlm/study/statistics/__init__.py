"""Which differences are real, and which are noise."""
