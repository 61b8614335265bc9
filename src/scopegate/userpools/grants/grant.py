"""What every grant is given and gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scopegate.userpools.model import AppClient, PoolView


@dataclass(slots=True)
class GrantRequest:
    """A token request whose client has authenticated. form: the body's fields, once each."""

    form: Mapping[str, str]
    client: AppClient
    pool: PoolView
    issued_at: int  # epoch seconds
    jti: str  # of the access token


@dataclass(slots=True, repr=False)
class Granted:
    """What is handed out. scopes: those of the access token."""

    access_token: bytes
    lifetime_s: int
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """parameters: the form fields that this grant reads; others are ignored. issue: raises OAuthError."""

    parameters: frozenset[str]
    issue: Callable[[GrantRequest], Granted]
