"""The decision record: what every token and every gateway call leaves behind, redacted, in a bounded ring per edge.

`explain`, the console and the logs read the same record. The ten steps are the same words everywhere.
No token, secret, code or body is ever put in a record: only names, ids, digests and times.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

STEPS: Final[dict[int, str]] = {
    1: "token requested",
    2: "token issued",
    3: "call made",
    4: "token found",
    5: "signature, issuer, time, audience checked",
    6: "scope decided",
    7: "integration chosen",
    8: "event or request built, with claims",
    9: "function or service answered",
    10: "answer returned",
}

_TIMES: Final = max(STEPS) + 1
_SHOWN_PATH: Final = 1_024  # a client may send ten times as much, and a ring keeps thousands


class Record:
    """One decision under way, then kept. Slotted and mutable; belongs to one exchange.

    kind: `token` or `call`. request_id: the id that the client sees in the answer's headers.
    started_at: epoch seconds. times: monotonic nanoseconds by step, 0 where a step was not taken; the first is when the
    request was read.
    decision: `ALLOW`, `DENY` or `` (not decided: unknown path and the like). reason: one sentence.
    wanted, held: scopes asked for by the route and carried by the token. facts: further names and values.
    """

    __slots__ = (
        "client_id",
        "decision",
        "facts",
        "held",
        "jti",
        "kind",
        "method",
        "path",
        "reason",
        "request_id",
        "started_at",
        "status",
        "times",
        "wanted",
    )

    def __init__(self, kind: str, request_id: str, started_at: float, method: str, path: str, started_ns: int) -> None:
        self.kind = kind
        self.request_id = request_id
        self.started_at = started_at
        self.method = method
        self.path = path if len(path) <= _SHOWN_PATH else path[:_SHOWN_PATH] + "…"
        self.times = [0] * _TIMES
        self.times[1 if kind == "token" else 3] = started_ns
        self.status = 0
        self.decision = ""
        self.reason = ""
        self.client_id = ""
        self.jti = ""
        self.wanted: tuple[str, ...] = ()
        self.held: tuple[str, ...] = ()
        self.facts: dict[str, Any] = {}

    def as_dict(self) -> dict[str, Any]:
        """The record as plain data, times of steps in microseconds since the request was read."""
        taken = [(step, at) for step, at in enumerate(self.times) if at]
        first = taken[0][1]
        return {
            "kind": self.kind,
            "requestId": self.request_id,
            "startedAt": self.started_at,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "decision": self.decision,
            "reason": self.reason,
            "clientId": self.client_id,
            "jti": self.jti,
            "scopesWanted": list(self.wanted),
            "scopesHeld": list(self.held),
            "facts": self.facts,
            "steps": [{"step": step, "name": STEPS[step], "us": (at - first) // 1000} for step, at in taken],
        }


class Ring:
    """The last `size` records of one edge. Appending is the only thing the data plane does with it."""

    __slots__ = ("_records", "add")

    def __init__(self, size: int) -> None:
        self._records: deque[Record] = deque(maxlen=size)
        self.add = self._records.append

    def find(self, key: str) -> Record | None:
        """The newest record whose request id or `jti` (of a token) is `key`."""
        return next((r for r in reversed(self._records) if r.request_id == key), None) or next(
            (r for r in reversed(self._records) if r.kind == "token" and r.jti == key), None
        )

    def newest(self, count: int) -> Iterator[Record]:
        for index, record in enumerate(reversed(self._records)):
            if index >= count:
                return
            yield record
