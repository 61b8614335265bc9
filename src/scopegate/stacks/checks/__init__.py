"""Judges: each reads what is known of a deployed stack and tells what it finds. `check.py` calls them."""
