"""Pixels to patch features."""
