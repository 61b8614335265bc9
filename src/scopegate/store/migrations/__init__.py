"""How an older database becomes this version's: Alembic revisions, oldest first, in `versions/`.

`python -m scopegate.store.migrations upgrade|check|draft` runs them, compares them with `tables.py`, drafts the next.
Importing this package does not import Alembic: a database that is fresh or current never meets it.
"""

from pathlib import Path
from typing import Final

VERSION_TABLE: Final = "alembic_version"
HERE: Final = Path(__file__).parent


def revisions(versions: Path = HERE / "versions") -> tuple[str, ...]:
    """Every revision, oldest first: `0001_initial.py` is revision 0001."""
    return tuple(sorted(path.stem.partition("_")[0] for path in versions.glob("[0-9]*.py")))
