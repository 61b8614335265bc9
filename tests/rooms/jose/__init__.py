"""Tokens: signing, verifying, keys of our own and of others."""
