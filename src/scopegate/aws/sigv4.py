"""Signatures: who signed a request, and whether the signature holds.

`read_credential` reads what a request claims, without judging it; `verify` proves it. Which planes need a proof in
which mode is decided in `control.py` and by the gateway's IAM authorizer. Signing is in `client.py`.
Source: AWS Signature Version 4, "Create a signed AWS API request"; reference, cognito 10.3, run time 3.1.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, Protocol
from urllib.parse import quote, unquote_to_bytes

from scopegate.base.errors import AwsError
from scopegate.http.message import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
CONTROL_SKEW_S: Final = 15 * 60
EXECUTE_API_SKEW_S: Final = 5 * 60
_LONGEST_PRESIGNED_S: Final = 7 * 24 * 3600
_PIECE_BYTES: Final = 1_048_576
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"

_CREDENTIAL: Final = re.compile(
    r"(?P<key>[A-Za-z0-9_./-]{1,128})/(?P<date>\d{8})/(?P<region>[a-z0-9-]{1,32})/(?P<service>[a-z0-9-]{1,64})/aws4_request",
    re.ASCII,
)
_HEADER_NAMES: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(;[a-z0-9!#$%&'*+.^_`|~-]+)*", re.ASCII)
_SIGNATURE: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOMENT: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_UNRESERVED: Final = "-._~"

Fault = Literal["missing", "incomplete", "unknown", "expired", "mismatch", "skew", "scope", "denied"]


class SignatureRefused(Exception):
    """Why a request is not authenticated; each wire has its own code for each fault.

    message: the text for the client. detail: what API Gateway adds to it: the signer's own request as it was read.
    status: None takes what the service's protocol has for the fault. log: what only the log may hold.
    """

    def __init__(
        self, fault: Fault, message: str, *, detail: str = "", status: int | None = None, log: str = ""
    ) -> None:
        super().__init__(f"{fault}: {message}")
        self.fault = fault
        self.message = message
        self.detail = detail
        self.status = status
        self.log = log


INVALID_TOKEN: Final = "The security token included in the request is invalid."  # noqa: S105 - AWS's sentence
EXPIRED_TOKEN: Final = "The security token included in the request is expired"  # noqa: S105 - AWS's sentence
MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

# AWS's codes: (JSON and REST-JSON, Query).
_CODES: Final[dict[Fault, tuple[str, str]]] = {
    "missing": ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
    "incomplete": ("IncompleteSignatureException", "IncompleteSignature"),
    "unknown": ("UnrecognizedClientException", "InvalidClientTokenId"),
    "expired": ("ExpiredTokenException", "ExpiredToken"),
    "mismatch": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "skew": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "scope": ("InvalidSignatureException", "SignatureDoesNotMatch"),
    "denied": ("AccessDeniedException", "AccessDenied"),
}


def render_refusal(refused: SignatureRefused, protocol: str) -> AwsError:
    """The refusal as a service of that protocol names it."""
    code = _CODES[refused.fault][protocol in ("query", "ec2", "rest-xml")]
    return AwsError(code, refused.message, status=refused.status, log=refused.log)


@dataclass(frozen=True, slots=True)
class SignedCredential:
    """What a request claims about its signer; nothing of it is proven."""

    access_key_id: str
    date: str  # YYYYMMDD
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    signed_at: str  # YYYYMMDDTHHMMSSZ
    session_token: str | None
    presigned: bool
    lifetime_s: int | None = None  # of a presigned request

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_credential(request: Request) -> SignedCredential | None:
    """What the request says about its signature; None when it carries none.

    Raises SignatureRefused("incomplete") for an `Authorization` that is not SigV4 or lacks a part.
    """
    headers = request.all(b"authorization")
    query = _query_pairs(request.query)
    presigned = {name: value for name, value in query if name.startswith("X-Amz-")}
    if headers and "X-Amz-Signature" in presigned:
        raise SignatureRefused("incomplete", "A request is signed in its header or in its query string, not in both.")
    if headers:
        if len(headers) > 1:
            raise SignatureRefused("incomplete", "A request carries one Authorization header.")
        return _read_header(request, headers[0].decode("latin-1"))
    if "X-Amz-Algorithm" in presigned or "X-Amz-Signature" in presigned:
        names = [name for name, _ in query if name.startswith("X-Amz-")]
        if len(names) != len(set(names)):
            raise SignatureRefused("incomplete", "A parameter of the signature is there twice.")
        return _read_presigned(presigned)
    return None


def _read_header(request: Request, value: str) -> SignedCredential:
    algorithm, _, rest = value.strip().partition(" ")
    if algorithm != ALGORITHM and value and "=" not in value:
        # The text names a digest, never the header: it may be somebody's bearer token.
        digest = _b64_sha256(value)
        raise SignatureRefused(
            "incomplete",
            "Invalid key=value pair (missing equal-sign) in Authorization header "
            f"(hashed with SHA-256 and encoded with Base64): '{digest}'.",
        )
    parts: dict[str, str] = {}
    for part in rest.split(",") if algorithm == ALGORITHM else ():
        name, equals, text = part.strip().partition("=")
        if not equals or name in parts:
            raise SignatureRefused("incomplete", "Authorization header is not a list of key=value pairs.")
        parts[name] = text
    lacking = [name for name in ("Credential", "Signature", "SignedHeaders") if not parts.get(name)]
    if lacking:
        sentences = " ".join(f"Authorization header requires '{name}' parameter." for name in lacking)
        raise SignatureRefused("incomplete", sentences)
    moments = request.all(b"x-amz-date")
    moment = moments[0].decode("latin-1") if len(moments) == 1 else ""
    if not moments and (date := request.find_text(b"date")):
        moment = date if _MOMENT.fullmatch(date) else ""
    if not moment:
        raise SignatureRefused(
            "incomplete",
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        )
    token = request.find_text(b"x-amz-security-token")
    return _credential(parts["Credential"], parts["SignedHeaders"], parts["Signature"], moment, token, presigned=False)


def _read_presigned(query: dict[str, str]) -> SignedCredential:
    needed = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Date", "X-Amz-Signature")
    lacking = [name for name in needed if not query.get(name)]
    if lacking or query["X-Amz-Algorithm"] != ALGORITHM:
        sentences = " ".join(f"AWS query-string parameters must include '{name}'." for name in lacking)
        raise SignatureRefused("incomplete", sentences or f"Unsupported AWS 'algorithm': the only one is {ALGORITHM}.")
    lifetime = query.get("X-Amz-Expires", "900")
    if not (lifetime.isascii() and lifetime.isdigit() and 0 < int(lifetime[:9]) <= _LONGEST_PRESIGNED_S):
        raise SignatureRefused("incomplete", "X-Amz-Expires must be a number of seconds from 1 to 604800.")
    return _credential(
        query["X-Amz-Credential"],
        query["X-Amz-SignedHeaders"],
        query["X-Amz-Signature"],
        query["X-Amz-Date"],
        query.get("X-Amz-Security-Token"),
        presigned=True,
        lifetime_s=int(lifetime),
    )


def _credential(
    credential: str,
    signed_headers: str,
    signature: str,
    moment: str,
    token: str | None,
    *,
    presigned: bool,
    lifetime_s: int | None = None,
) -> SignedCredential:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None:
        raise SignatureRefused(
            "incomplete",
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
        )
    if not _HEADER_NAMES.fullmatch(signed_headers) or not _SIGNATURE.fullmatch(signature):
        raise SignatureRefused("incomplete", "SignedHeaders or Signature is malformed.")
    if not _MOMENT.fullmatch(moment):
        raise SignatureRefused("incomplete", "Date must be in ISO-8601 'basic format'.")
    return SignedCredential(
        match["key"],
        match["date"],
        match["region"],
        match["service"],
        tuple(signed_headers.split(";")),
        signature,
        moment,
        token,
        presigned,
        lifetime_s,
    )


class Secret(Protocol):
    """What a signature is proven with: an access key, or a session of a role."""

    @property
    def secret(self) -> bytes: ...

    @property
    def session_token(self) -> str | None: ...

    @property
    def expires_at(self) -> int | None: ...


def verify(
    request: Request,
    credential: SignedCredential,
    key: Secret,
    *,
    service: str,
    now: float,
    skew_s: int = CONTROL_SKEW_S,
    unsigned_payload: bool = False,
) -> None:
    """Prove the signature of a request. Raises SignatureRefused.

    1 The credential scope names this service, and the day of the signature.
    2 The session token is the key's, and has not expired.
    3 The signature is fresh: ± `skew_s` of `now` (real time), or within a presigned request's lifetime.
    4 What must be signed is signed: `host` and every `x-amz-*` header that is there.
    5 The payload hash is the body's; UNSIGNED-PAYLOAD only where allowed, chunked signatures never.
    6 The signature over raw target and headers as received is the one sent, compared in constant time.
    """
    # 1
    if credential.service != service:
        raise SignatureRefused("scope", f"Credential should be scoped to correct service: '{service}'. ")
    if credential.date != credential.signed_at[:8]:
        raise SignatureRefused(
            "scope",
            f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{credential.date}' != '{credential.signed_at[:8]}', from '{credential.signed_at}'.",
        )
    # 2
    _check_session(credential, key, now)
    # 3
    _check_freshness(credential, now, skew_s)
    # 4
    _check_signed_headers(request, credential)
    # 5
    payload_hash = _payload_hash(request, credential, unsigned_payload)
    # 6
    canonical = canonical_request(
        request.method,
        _canonical_path(request.path),
        _canonical_query(request.query, presigned=credential.presigned),
        ((name, _canonical_value(request, name)) for name in sorted(credential.signed_headers)),
        payload_hash,
    )
    text = string_to_sign(credential.signed_at, credential.scope, canonical)
    wanted = sign(key.secret, credential.date, credential.region, credential.service, text)
    if not hmac.compare_digest(wanted, credential.signature):
        detail = (
            f"\n\nThe Canonical String for this request should have been\n'{canonical}'"
            f"\n\nThe String-to-Sign should have been\n'{text}'\n"
        )
        raise SignatureRefused("mismatch", MISMATCH, detail=detail)


def _check_session(credential: SignedCredential, key: Secret, now: float) -> None:
    held = (key.session_token or "").encode()
    sent = (credential.session_token or "").encode()
    if not hmac.compare_digest(held, sent):
        raise SignatureRefused("unknown", INVALID_TOKEN)
    if key.expires_at is not None and now >= key.expires_at:
        raise SignatureRefused("expired", EXPIRED_TOKEN)


def _check_freshness(credential: SignedCredential, now: float, skew_s: int) -> None:
    try:
        signed_at = datetime.strptime(credential.signed_at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise SignatureRefused("incomplete", "Date must be in ISO-8601 'basic format'.") from None
    oldest_s = skew_s if credential.lifetime_s is None else credential.lifetime_s
    minutes = skew_s // 60
    if now - signed_at > oldest_s:
        limit = _basic(now - oldest_s)
        raise SignatureRefused(
            "skew",
            f"Signature expired: {credential.signed_at} is now earlier than {limit} ({_basic(now)} - {minutes} min.)",
        )
    if signed_at - now > skew_s:
        raise SignatureRefused(
            "skew",
            f"Signature not yet current: {credential.signed_at} is still later than {_basic(now + skew_s)} "
            f"({_basic(now)} + {minutes} min.)",
        )


def _check_signed_headers(request: Request, credential: SignedCredential) -> None:
    signed = credential.signed_headers
    if len(set(signed)) != len(signed):
        raise SignatureRefused("incomplete", "SignedHeaders names a header twice.")
    if "host" not in signed:
        raise SignatureRefused("mismatch", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
    for name, _ in request.headers:
        lower = name.lower().decode("latin-1")
        if lower.startswith("x-amz-") and lower not in signed:
            raise SignatureRefused("mismatch", f"'{lower}' must be a 'SignedHeader' in the AWS Authorization.")
    for needed in signed:
        if not request.all(needed.encode()):
            raise SignatureRefused("mismatch", MISMATCH, log=f"signed header {needed} is absent")


def _body_digest(request: Request) -> str:
    file = request.body_file
    if file is None:
        return hashlib.sha256(request.body).hexdigest()
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _payload_hash(request: Request, credential: SignedCredential, unsigned_payload: bool) -> str:
    given = request.all(b"x-amz-content-sha256")
    actual = _body_digest(request)
    if not given:
        return actual
    claimed = given[0].decode("latin-1")
    if len(given) == 1 and (hmac.compare_digest(claimed, actual) or (claimed == _UNSIGNED and unsigned_payload)):
        return claimed
    raise SignatureRefused("mismatch", MISMATCH, log=f"x-amz-content-sha256 is not the body's: {claimed[:80]!r}")


# Canonical form


def canonical_request(method: str, path: str, query: str, headers: Iterable[tuple[str, str]], payload_hash: str) -> str:
    named = list(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in named)
    return f"{method}\n{path}\n{query}\n{lines}\n{';'.join(name for name, _ in named)}\n{payload_hash}"


def string_to_sign(moment: str, scope: str, canonical: str) -> str:
    return f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode('latin-1')).hexdigest()}"


def sign(secret: bytes, date: str, region: str, service: str, text: str) -> str:
    key = b"AWS4" + secret
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def _canonical_path(raw_path: bytes) -> str:
    """The path as sent, escaped once more, as every service but S3 wants it; dot segments are resolved."""
    segments: list[str] = []
    text = raw_path.decode("latin-1")
    for segment in text.split("/"):
        if segment == "..":
            if segments:
                segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    path = "/" + "/".join(segments)
    if segments and text.endswith(("/", "/.", "/..")):
        path += "/"
    return quote(path.encode("latin-1"), safe="/" + _UNRESERVED)


def _canonical_query(query: bytes | None, *, presigned: bool) -> str:
    pairs = []
    for part in (query or b"").split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        if presigned and unquote_to_bytes(name) == b"X-Amz-Signature":
            continue
        pairs.append((_reescape(name), _reescape(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _reescape(escaped: bytes) -> str:
    return quote(unquote_to_bytes(escaped), safe=_UNRESERVED)


def _canonical_value(request: Request, name: str) -> str:
    values = request.all(name.encode())
    return ",".join(" ".join(value.decode("latin-1").split()) for value in values)


def _query_pairs(query: bytes | None) -> list[tuple[str, str]]:
    pairs = []
    for part in (query or b"").split(b"&"):
        name, _, value = part.partition(b"=")
        pairs.append((unquote_to_bytes(name).decode("latin-1"), unquote_to_bytes(value).decode("latin-1")))
    return pairs


def _basic(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


def _b64_sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("latin-1")).digest()).decode("ascii")
