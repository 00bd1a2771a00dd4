"""Instruction data, made with a language model."""
