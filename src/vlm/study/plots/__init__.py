"""Pictures of a sweep; each page draws one kind."""
