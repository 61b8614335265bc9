"""Signing in: from a user's first factor to tokens, and what becomes of the tokens."""
