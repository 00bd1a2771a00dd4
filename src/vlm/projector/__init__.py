"""Patch features to visual tokens."""
