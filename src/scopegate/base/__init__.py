"""Words that every room uses: errors, limits, settings, names, the clock. Standard library only."""
