"""`python -m scopegate.store.migrations COMMAND`: short-lived processes, so that no server keeps Alembic in memory.

upgrade   bring the database whose URL comes on standard input up to date; the server's parent calls this
check     compare the revisions with `tables.py`; prints what differs, exit status 1 when anything does
draft     print the body of a new revision for what differs
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from scopegate.base.settings import Settings
from scopegate.store.migrations import run
from scopegate.store.open import find_place, make_file, migration_engine
from scopegate.store.sql import brief


@contextmanager
def _throw_away(*, migrated: bool) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory() as folder:
        place = find_place(Settings(data_dir=Path(folder)))
        assert place.path is not None
        make_file(place.path)
        engine = migration_engine(place)
        if migrated:
            run.upgrade(engine)
        with engine.begin() as connection:
            yield connection
        engine.dispose()


def main(command: str) -> int:
    match command:
        case "upgrade":
            engine = migration_engine(find_place(Settings(database=sys.stdin.read().strip())))
            try:
                run.upgrade(engine)
            except SQLAlchemyError as error:
                sys.stderr.write(brief(error))  # the parent says it to the operator
                return 1
            finally:
                engine.dispose()
        case "check":
            with _throw_away(migrated=True) as connection:
                found = run.differences(connection)
            for difference in found:
                sys.stdout.write(f"{difference}\n")
            return 1 if found else 0
        case "draft":
            with _throw_away(migrated=True) as connection:
                sys.stdout.write(run.draft(connection) + "\n")
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
