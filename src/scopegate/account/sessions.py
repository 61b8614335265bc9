"""Sessions of roles, for execution environments of functions and by AssumeRole: made and proven without a row.

The session token is the claims themselves, sealed under the master key and bound to the access key id: every process
that has the master key can prove a session, and nobody else can make or change one. Sessions live on the real clock.
Source: design, "Functions run as processes"; attack row U5.
"""

import base64
import binascii
from dataclasses import asdict, replace
from typing import Final

import orjson
from cryptography.exceptions import InvalidTag

from scopegate.account.identities import caller_of
from scopegate.account.model import SESSION_PREFIX, derived_unique_id, new_secret, new_session_key_id
from scopegate.aws.operations import Caller, RoleSession
from scopegate.aws.sigv4 import INVALID_TOKEN, SignatureRefused
from scopegate.base import clock, names
from scopegate.base.limits import limit
from scopegate.ports import AccessKey
from scopegate.store.sealing import Sealer

LONGEST_TOKEN: Final = 4_096
"""Characters; a session with more policies and tags than fit is not made."""


def _context(access_key_id: str) -> str:
    return f"session/{access_key_id}"


def mint_session(
    seal: Sealer,
    role_arn: str,
    session_name: str,
    *,
    role_id: str = "",
    policies: tuple[str, ...] = (),
    tags: tuple[tuple[str, str], ...] = (),
    service: str = "",
    source_arn: str = "",
    lifetime_s: int | None = None,
) -> AccessKey:
    """Credentials of a role, for the longest time that there is if none is given; see `RoleSession` for the rest.

    Raises ValueError for what is no role's ARN.
    """
    arn = names.find_arn(role_arn)
    if arn is None or arn.service != "iam" or not arn.resource.startswith("role/"):
        raise ValueError(f"not the ARN of a role: {role_arn!r}")
    access_key_id, secret = new_session_key_id(), new_secret()
    issued_at = int(clock.real_now())
    expires_at = issued_at + (limit("account.session_s") if lifetime_s is None else lifetime_s)
    session = RoleSession(role_arn, session_name, role_id, policies, tags, issued_at, service, source_arn)
    claims = {"secret": secret.decode(), "session": asdict(session), "expires_at": expires_at}
    sealed = seal.seal(orjson.dumps(claims), _context(access_key_id))
    token = base64.urlsafe_b64encode(sealed).decode("ascii")
    return AccessKey(access_key_id, secret, _caller(session, access_key_id), token, expires_at)


def is_session(access_key_id: str) -> bool:
    return access_key_id.startswith(SESSION_PREFIX)


def get_session(seal: Sealer, access_key_id: str, session_token: str | None) -> AccessKey:
    """The session that a token proves. Raises SignatureRefused for a token that is absent, altered or another's.

    Whether it has expired is judged with the signature.
    """
    if session_token is None or len(session_token) > LONGEST_TOKEN:
        raise SignatureRefused("unknown", INVALID_TOKEN)
    try:
        sealed = base64.b64decode(session_token.encode("ascii"), altchars=b"-_", validate=True)
        claims = orjson.loads(seal.open(sealed, _context(access_key_id)))
    except (ValueError, binascii.Error, InvalidTag):
        raise SignatureRefused("unknown", INVALID_TOKEN) from None
    known = claims["session"]
    tags = tuple((key, value) for key, value in known["tags"])
    session = RoleSession(**{**known, "policies": tuple(known["policies"]), "tags": tags})
    caller = _caller(session, access_key_id)
    return AccessKey(access_key_id, claims["secret"].encode(), caller, session_token, claims["expires_at"])


def _caller(session: RoleSession, access_key_id: str) -> Caller:
    if not session.role_id:
        # Without a look-up; GetCallerIdentity prefers the id that the role has, if it is here.
        session = replace(session, role_id=derived_unique_id("AROA", session.role_arn))
        return replace(caller_of(session, access_key_id), session=replace(session, role_id=""))
    return caller_of(session, access_key_id)
