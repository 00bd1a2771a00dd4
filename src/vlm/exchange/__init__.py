"""Checkpoints of LLaVA and of transformers, in and out."""
