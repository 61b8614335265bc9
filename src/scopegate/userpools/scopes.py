"""Which scopes a token carries.

Source: RFC 6749 sections 3.3 and 4.4.2; reference, POST /oauth2/token, "Scope handling"; attack row O11.
"""

import re
from collections.abc import Iterable, Set
from typing import Final

from scopegate.base.errors import OAuthError
from scopegate.base.limits import limit
from scopegate.userpools.model import STANDARD_SCOPES, AppClient

ABOUT_USERS: Final = frozenset({"email", "phone", "profile"})
"""Scopes that are granted together with `openid` only."""

_MOST_SCOPES: Final = limit("userpools.client_scopes")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


def parse_scope(text: str) -> tuple[str, ...]:
    """The names of a `scope` parameter, in order, once each. Raises OAuthError("invalid_scope") for bad grammar."""
    if not _SCOPE.fullmatch(text):
        raise OAuthError("invalid_scope", log="the scope parameter is not names divided by one space")
    return tuple(dict.fromkeys(text.split(" ")))


def decide_scopes(requested: Iterable[str] | None, client: AppClient, defined: Set[str]) -> tuple[str, ...]:
    """Decide the scopes of a token that a machine gets for itself.

    requested: names asked for; None when the parameter is absent. defined: what the pool's resource servers have.
    Returns the names asked for, in that order, once each; all of the client's custom scopes when None. What the client
    may have but no resource server defines any more is left out.
    Raises OAuthError("invalid_scope"): a name that the client lacks, a scope about users, or nothing left.
    Source: the default for an absent `scope` is the server's choice (RFC 6749 section 3.3); Cognito's is all.
    """
    if requested is None:
        names = client.custom_scopes
    else:
        names = tuple(dict.fromkeys(requested))
        if len(names) > _MOST_SCOPES:
            raise OAuthError("invalid_scope", log="more scopes are asked for than a client can have")
        for name in names:
            if name not in client.custom_scopes:
                raise OAuthError("invalid_scope", log="the client does not allow a scope that was asked for")
    granted = tuple(name for name in names if name in defined)
    if not granted:
        raise OAuthError("invalid_scope", log="no custom scope is left to grant")
    return granted


def keep_grantable(names: Iterable[str], client: AppClient, defined: Set[str]) -> tuple[str, ...]:
    """Those of a user's scopes that the client may have now, in their order.

    Left out is what the client does not allow, what no resource server defines, and what goes together with `openid`
    where that is not there. defined: what the pool's resource servers have.
    """
    kept = tuple(name for name in names if name in client.scopes and (name in STANDARD_SCOPES or name in defined))
    return kept if "openid" in kept else tuple(name for name in kept if name not in ABOUT_USERS)
