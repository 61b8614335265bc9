"""botocore's own serializers, parsers and signers, turned towards this server's requests and responses."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from botocore import parsers, serialize
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest, HeadersDict
from botocore.credentials import Credentials
from hypothesis import strategies as st

from scopegate.aws.models import Models, Operation
from scopegate.http.message import Request, Response

MODELS = Models()
HOST = "localhost:4566"


def as_request(operation: Operation, members: dict[str, Any]) -> Request:
    """The request that botocore sends for these members, unsigned."""
    serializer = serialize.create_serializer(operation.service.protocol, include_validation=False)
    wire = serializer.serialize_to_request(members, operation.model)
    query = wire["query_string"]
    text = urlencode(query, doseq=True) if isinstance(query, dict) else query
    target = wire["url_path"]
    if text:
        target += ("&" if "?" in target else "?") + text
    body = wire["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    if isinstance(body, str):
        body = body.encode()
    headers = [(b"Host", HOST.encode()), *((k.encode(), str(v).encode()) for k, v in wire["headers"].items())]
    return Request(wire["method"], target.encode(), headers, body)


def as_answer(operation: Operation, response: Response) -> dict[str, Any]:
    """What botocore reads from a response."""
    parser = parsers.create_parser(operation.service.protocol)
    headers = HeadersDict({name.decode(): value.decode() for name, value in response.headers})
    wire = {"status_code": response.status, "headers": headers, "body": response.body}
    return dict(parser.parse(wire, operation.model.output_shape))


def signed(
    request: Request,
    service: str,
    *,
    key: str = "AKIAEXAMPLE",
    secret: str = "secret",
    token: str | None = None,
    region: str = "us-east-1",
    presign: bool = False,
) -> Request:
    """The request signed by botocore, in its header or its query string."""
    plain = AWSRequest(
        method=request.method,
        url=f"http://{HOST}{request.target.decode()}",
        data=request.body,
        headers={name.decode(): value.decode() for name, value in request.headers if name.lower() != b"host"},
    )
    credentials = Credentials(key, secret, token)
    auth = SigV4QueryAuth if presign else SigV4Auth
    auth(credentials, service, region).add_auth(plain)
    prepared = plain.prepare()
    target = prepared.url.removeprefix(f"http://{HOST}").encode()
    headers = [(b"Host", HOST.encode())]
    for name, value in prepared.headers.items():
        headers.append((name.encode(), value if isinstance(value, bytes) else str(value).encode()))
    return Request(request.method, target, headers, request.body)


def with_header(request: Request, name: bytes, value: bytes | None) -> Request:
    """The request with one header replaced, or dropped."""
    headers = [(n, v) for n, v in request.headers if n.lower() != name.lower()]
    if value is not None:
        headers.append((name, value))
    return Request(request.method, request.target, headers, request.body, peer=request.peer)


# Members of any shape of a model

_TEXT = st.text(st.characters(exclude_characters="\0\r", exclude_categories=("Cs", "Cn", "Cc")), max_size=12)
_TOKEN = st.text("abcXYZ0123-_.~:/$+ %é€", min_size=1, max_size=10).map(str.strip).filter(bool)
_HEADER = st.text("abcXYZ019-_./", min_size=1, max_size=10)
_SECONDS = st.integers(0, 4_000_000_000)
_NUMBERS = {
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(-1e6, 1e6, width=32),
    "double": st.floats(-1e6, 1e6),
}


def members_of(shape: Any, *, depth: int = 0, answer: bool = False, form: bool = False) -> st.SearchStrategy[Any]:
    """Members of a structure. form: what the Query protocol cannot tell from absent (empty maps) is left out."""
    if shape is None:
        return st.just({})
    required = {}
    optional = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        strategy = _located(member, location, depth, answer=answer, form=form)
        if strategy is None:
            continue
        if location in ("uri", "statusCode") or (form and name in shape.required_members):
            required[name] = strategy
        else:
            optional[name] = strategy
    if shape.is_tagged_union and optional:  # exactly one member, or botocore refuses the answer
        return st.one_of(*(st.fixed_dictionaries({name: strategy}) for name, strategy in optional.items()))
    return st.fixed_dictionaries(required, optional=optional)


def _located(member: Any, location: str | None, depth: int, *, answer: bool, form: bool) -> Any:
    if location in ("uri", "header") and member.type_name == "string":
        return _TOKEN if location == "uri" else _HEADER
    if location == "querystring" and member.type_name == "list":
        return st.lists(value_of(member.member, depth=1, answer=answer, form=form), min_size=1, max_size=2)
    if location == "querystring" and member.type_name == "map":
        return st.dictionaries(_TOKEN.map("x".__add__), _TEXT, min_size=1, max_size=2)
    if location == "statusCode":
        return st.just(200)
    if member.serialization.get("eventstream") or (member.type_name in ("structure", "list", "map") and depth > 3):
        return None
    return value_of(member, depth=depth + 1, answer=answer, form=form)


def value_of(shape: Any, *, depth: int, answer: bool, form: bool) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    least = 1 if form else 0
    if kind == "structure":
        if shape.is_document_type:
            return st.just({"a": [1]})
        members = members_of(shape, depth=depth, answer=answer, form=form)
        return members.filter(bool) if form and shape.members else members
    if kind == "list":
        if depth > 4:
            return st.just([])
        return st.lists(value_of(shape.member, depth=depth + 1, answer=answer, form=form), max_size=2)
    if kind == "map":
        value = value_of(shape.value, depth=depth + 1, answer=answer, form=form)
        return st.dictionaries(_TOKEN, value, min_size=least, max_size=2)
    if kind == "timestamp":
        return _SECONDS.map(float)
    if kind == "boolean":
        return st.booleans()
    if kind == "blob":
        return st.binary(min_size=1, max_size=12)
    return _NUMBERS.get(kind, _TEXT)


def with_moments(shape: Any, value: Any) -> Any:
    """The value as botocore speaks it: timestamps are aware datetimes."""
    if value is None or shape is None:
        return value
    kind = shape.type_name
    if kind == "structure" and not shape.is_document_type:
        return {name: with_moments(shape.members[name], item) for name, item in value.items()}
    if kind == "list":
        return [with_moments(shape.member, item) for item in value]
    if kind == "map":
        return {key: with_moments(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    return value
