"""Clients of endpoints that speak OpenAI's chat completions."""
