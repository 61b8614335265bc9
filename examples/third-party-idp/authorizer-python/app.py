"""A TOKEN authorizer: takes access tokens of an OpenID provider, and says what their scopes allow.

It holds no secret: the provider's public keys prove a token. Whatever is not understood is refused.
"""

import json
import os
import time
import urllib.request
from contextlib import suppress

import jwt

ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
# The provider's own. Never what a token says of itself, never one whose key is a secret (HS256).
ALGORITHMS = ("RS256", "ES256")
# What a scope allows: methods and paths of this API.
ALLOWED = {
    "orders/read": ("GET/orders", "GET/orders/*"),
    "orders/write": ("POST/orders",),
}
RENEW_S = 300.0  # how long keys are taken for the provider's
KEPT_S = 3600.0  # how long they are when the provider cannot be reached
PAUSE_S = 5.0  # between questions to the provider, whatever callers send
TIMEOUT_S = 3.0
LARGEST = 1_000_000


class Refused(Exception):
    """No token of the provider's for this API; why is for the log alone."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


_open = urllib.request.build_opener(_NoRedirects).open


def _fetch(url):
    with _open(url, timeout=TIMEOUT_S) as answer:
        return json.loads(answer.read(LARGEST))


class Keys:
    """The provider's keys by their ids, asked for when they are old, and when a token names one that is new."""

    def __init__(self):
        self._keys = {}
        self._asked_at = self._fetched_at = -KEPT_S

    def find(self, kid):
        now = time.monotonic()
        old = now - self._fetched_at > RENEW_S
        if (old or kid not in self._keys) and now - self._asked_at > PAUSE_S:
            self._asked_at = now
            try:
                self._keys = self._ask()
                self._fetched_at = now
            except (OSError, ValueError) as error:
                print(f"the provider's keys cannot be had: {error!r}")
        if now - self._fetched_at > KEPT_S:
            raise RuntimeError("the provider's keys are not known")  # API Gateway answers 500
        return self._keys.get(kid)

    def _ask(self):
        found = _fetch(f"{ISSUER.rstrip('/')}/.well-known/openid-configuration")
        if found["issuer"] != ISSUER:
            raise ValueError("the provider is another one")
        keys = {}
        for key in _fetch(found["jwks_uri"])["keys"]:
            if key.get("kid") and key.get("use", "sig") == "sig" and key.get("kty") in ("RSA", "EC"):
                with suppress(jwt.PyJWTError):  # a key for something else is none for tokens
                    keys[key["kid"]] = jwt.PyJWK.from_dict(key, algorithm=key.get("alg") or _algorithm_of(key))
        return keys


def _algorithm_of(key):
    return "RS256" if key["kty"] == "RSA" else "ES256"


_keys = Keys()


def claims_of(token):
    """The claims of a token that is the provider's, for this API, and of now. Raises Refused."""
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS or "crit" in header:
            raise Refused("algorithm")
        key = _keys.find(header.get("kid"))
        # The key has an algorithm of its own: a token cannot choose another one for it.
        if key is None or key.algorithm_name != header["alg"]:
            raise Refused("key")
        return jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["aud", "exp", "iss", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise Refused(type(error).__name__) from None


def policy_for(claims, method_arn):
    """What the scopes of a token allow of the API; all of it, since API Gateway may remember the answer."""
    stage = "/".join(method_arn.split("/")[:2])
    scopes = str(claims.get("scope", "")).split()
    allowed = [f"{stage}/{path}" for scope in scopes for path in ALLOWED.get(scope, ())]
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": allowed}
    if not allowed:
        statement = {"Action": "execute-api:Invoke", "Effect": "Deny", "Resource": f"{stage}/*"}
    return {
        "principalId": claims["sub"],
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"sub": claims["sub"], "scope": " ".join(scopes)},
    }


def handler(event, context):
    _, _, token = event["authorizationToken"].partition(" ")  # after Bearer, as the template demands
    try:
        return policy_for(claims_of(token), event["methodArn"])
    except Refused as refused:
        print(f"refused: {refused}")
        raise Exception("Unauthorized") from None  # noqa: TRY002 - the text that makes API Gateway answer 401
