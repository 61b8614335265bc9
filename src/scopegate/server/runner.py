"""The runner role: function processes behind a Unix socket, and how other roles reach them.

`POST /run`: a frame of a JSON head and the payload → a frame of the outcome; 428 when the runner does not know the
revision yet, then `POST /definitions` and once more. The runner holds no signing key and no database address: all that
it knows of a function is the definition that it was sent.
"""

from collections.abc import Sequence
from typing import Any

from scopegate.server.roles import Role, RoleSocket


class LocalRunner:
    """Functions in this process's care."""

    async def run(self, definition: Any, work: Any) -> Any:
        raise NotImplementedError

    async def logs(self, function: str | None, lines: int) -> Sequence[str]:
        return []


class RemoteRunner:
    """Functions in the runner's care."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def run(self, definition: Any, work: Any) -> Any:
        raise NotImplementedError

    async def logs(self, function: str | None, lines: int) -> Sequence[str]:
        return []


def runner_socket(runner: LocalRunner) -> RoleSocket:
    """The runner's side of the socket."""
    return RoleSocket({})
