"""`Code.Location` of GetFunction: where a package may be fetched for ten minutes, without a signature.

The path is the right itself: package and end, sealed under the master key. AWS gives a presigned URL of S3.
Source: reference, Lambda, "Code packages".
"""

import base64
import binascii
from typing import Final

import orjson

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.http.message import Response
from scopegate.store.port import Store
from scopegate.store.sealing import CannotOpen, Sealer

_CONTEXT: Final = "function_code/download"


def make_ticket(seal: Sealer, sha256: str) -> str:
    """What names a package (its digest in hex) for a while; safe in a path."""
    claims = {"sha256": sha256, "expires_at": clock.now() + limit("functions.code_url_s")}
    return base64.urlsafe_b64encode(seal.seal(orjson.dumps(claims), _CONTEXT)).decode()


async def answer(store: Store, seal: Sealer, ticket: str) -> Response:
    """The package. Raises AwsError: AccessDenied for a ticket that is over or not ours, NoSuchKey when it is gone."""
    try:
        sealed = base64.b64decode(ticket.encode("ascii"), altchars=b"-_", validate=True)
        claims = orjson.loads(seal.open(sealed, _CONTEXT))
    except (UnicodeEncodeError, binascii.Error, CannotOpen):
        raise AwsError("AccessDenied", "Access Denied", status=403) from None
    if claims["expires_at"] <= clock.now():
        raise AwsError("AccessDenied", "Request has expired", status=403)
    packed = await store.read(lambda tx: queries.find_code(tx, claims["sha256"]))
    if packed is None:
        raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)
    return Response(200, [(b"Content-Type", b"application/zip")], packed)
