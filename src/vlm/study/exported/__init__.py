"""A model written for others, read again, and described."""
