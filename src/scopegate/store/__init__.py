"""State that outlives the process: SQLite or PostgreSQL, one schema, sealed secrets, a feed of changes."""
