"""State that outlives the process: SQLite or PostgreSQL, one schema, sealed secrets, a feed of changes."""

from scopegate.store.open import migrate, open_migrated, open_sealer, open_store

__all__ = ["migrate", "open_migrated", "open_sealer", "open_store"]
