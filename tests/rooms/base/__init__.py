"""The words that everyone uses."""
