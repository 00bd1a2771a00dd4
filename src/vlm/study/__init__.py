"""Sweeps, cells, reports."""
