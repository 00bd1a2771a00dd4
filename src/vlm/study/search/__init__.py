"""Cells that are chosen by what earlier ones scored."""
