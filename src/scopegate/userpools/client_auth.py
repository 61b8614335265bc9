"""Client authentication, at the token endpoint and by GetClientToken.

Reads one set of credentials and says which app client is asking, and how often it may be tried. What that client may
do is decided in `grants/`. Every refusal of credentials is `invalid_client` with status 400, as Cognito answers, and
looks the same from outside.
Source: RFC 6749 sections 2.3 and 3.2.1; reference page "POST /oauth2/token", request; attack rows O13, O14, O15, O24.
"""

import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

from scopegate.base.errors import OAuthError
from scopegate.base.limits import limit
from scopegate.base.rates import Rates
from scopegate.base.settings import Settings
from scopegate.userpools.model import AppClient, PoolView

_ID_CHARACTERS: Final = limit("userpools.client_id_characters")
_SECRET_BYTES: Final = limit("userpools.client_secret_characters")
_QUOTA: Final = limit("userpools.client_credentials_rate")
_FAILURES: Final = limit("userpools.failed_authentications")
_FAILURE_EVERY_S: Final = limit("userpools.failed_authentication_s")


@dataclass(slots=True, repr=False)
class Credentials:
    """What a request says about who is asking. secret: None when none was sent. method: as metadata names it."""

    client_id: str
    secret: bytes | None
    method: str  # client_secret_basic, client_secret_post or none


def _refuse(log: str) -> OAuthError:
    return OAuthError("invalid_client", log=log)


def _parse_basic(value: bytes) -> tuple[str, bytes]:
    """`Basic base64(client_id:client_secret)`, standard alphabet, padded; the text is taken as it is, not unescaped."""
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        raise _refuse("the Authorization header is not Basic")
    try:
        text = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise _refuse("the Basic credentials are not base64") from None
    client_id, colon, secret = text.partition(b":")
    if not colon or not client_id.isascii():
        raise _refuse("the Basic credentials are not an id and a secret")
    return client_id.decode("ascii"), secret


def read_credentials(authorization: Sequence[bytes], form: Mapping[str, str]) -> Credentials:
    """One set of credentials. authorization: every value of that header.

    1. one method only; 2. a client id, one; 3. lengths that can be.
    Raises OAuthError("invalid_client").
    """
    # 1
    if len(authorization) > 1:
        raise _refuse("several Authorization headers")
    in_body = form.get("client_secret")
    if authorization:
        if in_body is not None:
            raise _refuse("a secret in the header and another in the body")
        client_id, secret = _parse_basic(authorization[0])
        # 2
        if form.get("client_id", client_id) != client_id:
            raise _refuse("the client id of the header is not that of the body")
        credentials = Credentials(client_id, secret, "client_secret_basic")
    else:
        client_id = form.get("client_id", "")
        if in_body is None:
            credentials = Credentials(client_id, None, "none")
        else:
            credentials = Credentials(client_id, in_body.encode(), "client_secret_post")
    # 3
    if not 0 < len(client_id) <= _ID_CHARACTERS:
        raise _refuse("no client id")
    if credentials.secret is not None and not 0 < len(credentials.secret) <= _SECRET_BYTES:
        raise _refuse("a secret of impossible length")
    return credentials


def authenticate(
    client: AppClient, pool: PoolView, credentials: Credentials, *, address: str, settings: Settings, rates: Rates
) -> None:
    """Whether the client is who it says it is. address: where the request came from.

    Raises OAuthError: "invalid_client"; "TooManyRequestsException" when the quota of AWS is used up, or too many wrong
    secrets came from there.
    """
    if settings.aws_quotas:
        _count_against_quota(pool, rates)
    if settings.development:
        _check_secret(client, credentials)
    else:
        _check_secret_sparingly(client, credentials, address, rates)


def _count_against_quota(pool: PoolView, rates: Rates) -> None:
    key = ("ClientAuthentication", pool.account, pool.region)
    if not rates.take(key, per_second=_QUOTA, burst=_QUOTA):
        raise _too_many("the account's ClientAuthentication quota is used up")


def _check_secret_sparingly(client: AppClient, credentials: Credentials, address: str, rates: Rates) -> None:
    """Let one address try wrong secrets of one client only so often; others, and other clients, do not notice."""
    key = ("client secret", client.client_id, guesser_of(address))
    if rates.is_empty(key, per_second=1 / _FAILURE_EVERY_S, burst=_FAILURES):
        raise _too_many("too many wrong secrets for this client from this address")
    try:
        _check_secret(client, credentials)
    except OAuthError:
        rates.take(key, per_second=1 / _FAILURE_EVERY_S, burst=_FAILURES)
        raise


def guesser_of(address: str) -> str:
    """Who is behind an address: with IPv6 a network of 64 bits, which one machine has to itself.

    What is no address, as a proxy may have it, stays as it is.
    """
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())


def _too_many(log: str) -> OAuthError:
    return OAuthError("TooManyRequestsException", "Rate exceeded", status=429, log=log)


def _check_secret(client: AppClient, credentials: Credentials) -> None:
    """Refuses a wrong secret, none where one is due, one where there is none."""
    if credentials.secret is None:
        if client.is_public:
            return
        raise _refuse("the client has a secret and none was sent")
    if client.is_public:
        raise _refuse("a secret was sent for a client without one")
    if not _is_live(client, credentials.secret):
        raise _refuse("the client secret is wrong")


def _is_live(client: AppClient, secret: bytes) -> bool:
    """Whether this is a live secret of the client. All of them are compared, so time does not tell which it was."""
    found = False
    for live in client.secrets:
        found |= live.matches(secret)
    return found
