"""Where the functions of custom resources send what became of their work: one URL each, for one answer.

AWS gives a presigned URL of S3. Here the URL is the right itself: it names nothing, cannot be guessed, is good for one
PUT and until the deployment no longer waits. An answer is accepted when the deployment has it in the store.
Source: reference, lambda page, "Custom resource contract".
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from scopegate.base import clock
from scopegate.base.errors import AwsError

PATH: Final = "responses"
_TICKET_BYTES: Final = 32

Take = Callable[[bytes], Awaitable[None]]


class Answers:
    """What is waited for; one per control role. url: this server, as code inside a function reaches it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._awaited: dict[str, Take] = {}
        self._unfinished: set[asyncio.Future[Any]] = set()

    @contextlib.contextmanager
    def expected(self, take: Take) -> Iterator[str]:
        """A URL that hands the body of its one PUT to `take`, for as long as the context is open."""
        ticket = clock.token_bytes(_TICKET_BYTES).hex()
        self._awaited[ticket] = take
        try:
            yield f"{self._url}/_scopegate/{PATH}?ticket={ticket}"
        finally:
            self._awaited.pop(ticket, None)

    async def accept(self, ticket: str, body: bytes) -> None:
        """Raises AwsError as S3 refuses a URL that is over, used or never was."""
        take = self._awaited.pop(ticket, None)
        if take is None:
            raise AwsError("AccessDenied", "Request has expired", status=403)
        await take(body)

    def let_finish(self, work: "asyncio.Future[Any]") -> None:
        """Hold an invocation that goes on after its answer; what becomes of it is nobody's concern any more."""
        self._unfinished.add(work)
        work.add_done_callback(self._drop)

    def _drop(self, work: "asyncio.Future[Any]") -> None:
        self._unfinished.discard(work)
        if not work.cancelled():
            work.exception()
