"""Questions, scorers, and asking a model."""
