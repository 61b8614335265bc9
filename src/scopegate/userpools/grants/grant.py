"""What every grant is given and gives back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from scopegate.ports import Edge
from scopegate.userpools.model import AppClient, PoolView


@dataclass(slots=True)
class GrantRequest:
    """A token request whose client has authenticated. form: the body's fields, once each."""

    form: Mapping[str, str]
    client: AppClient
    pool: PoolView
    issued_at: int  # epoch seconds
    jti: str  # of the access token
    edge: Edge


@dataclass(slots=True, repr=False)
class Granted:
    """What is handed out. scopes: those of the access token. id_token, refresh_token: empty when there is none."""

    access_token: bytes
    lifetime_s: int
    scopes: tuple[str, ...]
    id_token: bytes = b""
    refresh_token: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """parameters: the form fields that this grant reads; others are ignored.

    issue: at once, or later where a store or a function is asked. Raises OAuthError.
    """

    parameters: frozenset[str]
    issue: Callable[[GrantRequest], Granted | Awaitable[Granted]]
