"""Ids to embeddings, sequences to hidden states."""
