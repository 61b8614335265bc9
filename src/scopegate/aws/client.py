"""A small signing client, for the command line: signs as any SDK does, sends over plain `http.client`.

It needs no service model: the caller spells method, path, headers and body.
Source: AWS Signature Version 4.
"""

import hashlib
import http.client
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from typing import BinaryIO, Final
from urllib.parse import SplitResult, quote, urlsplit

from scopegate.aws import sigv4
from scopegate.base import clock

_TIMEOUT_S: Final = 300
_PIECE_BYTES: Final = 1_048_576
_UNRESERVED: Final = "-._~"


@dataclass(frozen=True, slots=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r})"


class SignedAnswer:
    """An answer whose body is read when asked for: whole by `body`, or line by line as it comes."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self._body: bytes | None = None
        self.status = response.status
        self.reason = response.reason
        self.headers: Message = response.headers  # look-ups are without regard to case

    @property
    def body(self) -> bytes:
        if self._body is None:
            self._body = self._response.read()
            self._connection.close()
        return self._body

    def lines(self) -> Iterator[bytes]:
        """Raises OSError when the answer breaks off."""
        try:
            yield from self._response
        except http.client.HTTPException as error:
            raise OSError(f"the answer broke off: {error!r}") from error
        finally:
            self._connection.close()


def sign_headers(
    service: str,
    region: str,
    credentials: Credentials,
    method: str,
    target: str,
    host: str,
    headers: Mapping[str, str],
    body: bytes | BinaryIO,
    *,
    now: float,
) -> dict[str, str]:
    """The headers of a request with those of its signature. target: path and query, escaped as they will be sent."""
    moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    payload_hash = hashlib.sha256(body).hexdigest() if isinstance(body, bytes) else _digest_of(body)
    all_headers = dict(headers) | {"Host": host, "X-Amz-Date": moment, "X-Amz-Content-Sha256": payload_hash}
    if credentials.session_token is not None:
        all_headers["X-Amz-Security-Token"] = credentials.session_token
    path, _, query = target.partition("?")
    named = sorted((name.lower(), " ".join(value.split())) for name, value in all_headers.items())
    canonical = sigv4.canonical_request(
        method,
        quote(path, safe="/" + _UNRESERVED),
        "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)),
        named,
        payload_hash,
    )
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    text = sigv4.string_to_sign(moment, scope, canonical)
    signature = sigv4.sign(credentials.secret_access_key.encode(), moment[:8], region, service, text)
    all_headers["Authorization"] = (
        f"{sigv4.ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(name for name, _ in named)}, Signature={signature}"
    )
    return all_headers


def _digest_of(body: BinaryIO) -> str:
    body.seek(0)
    digest = hashlib.sha256()
    while piece := body.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def send_signed(
    endpoint: str,
    service: str,
    region: str,
    credentials: Credentials,
    method: str,
    path: str,
    *,
    body: bytes | BinaryIO = b"",
    headers: Mapping[str, str] | None = None,
) -> SignedAnswer:
    """Sign and send. endpoint: `http://host:port`; path: with its query, escaped; a body may be a file.

    Raises OSError.
    """
    url = urlsplit(endpoint)
    target = url.path.rstrip("/") + path
    signed = sign_headers(
        service, region, credentials, method, target, url.netloc, headers or {}, body, now=clock.real_now()
    )
    return _send(url, method, target, body, signed)


def send_plain(
    url: str, method: str = "GET", *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> SignedAnswer:
    """Send a request of the data plane, unsigned. Raises OSError."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _send(parts, method, target, body, headers or {})


def _send(
    url: SplitResult, method: str, target: str, body: bytes | BinaryIO, headers: Mapping[str, str]
) -> SignedAnswer:
    host = url.hostname or ""
    if not isinstance(body, bytes):
        headers = {**headers, "Content-Length": str(body.seek(0, os.SEEK_END))}
        body.seek(0)
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, url.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, url.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, target, body=body or None, headers=dict(headers))
        return SignedAnswer(connection, connection.getresponse())
    except http.client.HTTPException as error:
        connection.close()
        raise OSError(f"no HTTP answer: {error!r}") from error
    except OSError:
        connection.close()
        raise
