"""O25, U4, U5: unsigned, altered, stale management calls; browsers and proxies; a function's session out of bounds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scopegate.account import keys
from scopegate.aws import sigv4
from scopegate.aws.sigv4 import SignatureRefused, read_credential
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.http.message import Request, Response
from tests.rooms.aws.plane import Plane, code_of, message_of
from tests.rooms.aws.wires import HOST, MODELS, as_request, signed, with_header

SERVICES = {
    "cognito-idp": ("ListUserPools", {"MaxResults": 1}),
    "lambda": ("ListFunctions", {}),
    "apigateway": ("GetRestApis", {}),
    "apigatewayv2": ("GetApis", {}),
    "iam": ("ListRoles", {}),
    "sts": ("GetCallerIdentity", {}),
}
QUERY = ("iam", "sts")


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    plane = Plane(tmp_path_factory.mktemp("production"), development=False)
    yield plane
    plane.close()


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    plane = Plane(tmp_path_factory.mktemp("development"), development=True)
    yield plane
    plane.close()


@pytest.fixture(params=["production", "development"])
def mode(request: pytest.FixtureRequest) -> Plane:
    plane: Plane = request.getfixturevalue(request.param)
    return plane


def plain(service: str) -> Request:
    operation, members = SERVICES[service]
    return as_request(MODELS.operation(service, operation), members)


def by(plane: Plane, service: str, **more: Any) -> Request:
    """The call, signed by an operator's key."""
    key = plane.admin_key()
    name = MODELS.service(service).signing_name
    return signed(plain(service), name, key=key.access_key_id, secret=key.secret.decode(), **more)


def refused(service: str, response: Response, json_code: str, query_code: str) -> bool:
    """Whether the answer is the service's own refusal: Query and REST-JSON 403, cognito-idp 400."""
    wanted = query_code if service in QUERY else json_code
    return (response.status, code_of(response)) == (400 if service == "cognito-idp" else 403, wanted)


MISSING = ("MissingAuthenticationTokenException", "MissingAuthenticationToken")
INCOMPLETE = ("IncompleteSignatureException", "IncompleteSignature")
UNKNOWN = ("UnrecognizedClientException", "InvalidClientTokenId")
MISMATCH = ("InvalidSignatureException", "SignatureDoesNotMatch")


@pytest.mark.parametrize("service", SERVICES)
def test_o25_a_good_signature_passes(mode: Plane, service: str) -> None:
    """The counterpart of the rest: what follows is refused for its one fault."""
    response = mode.send(by(mode, service))

    assert response.status in (200, 501)


@pytest.mark.parametrize("service", SERVICES)
def test_o25_no_signature(mode: Plane, service: str) -> None:
    assert refused(service, mode.send(plain(service)), *MISSING)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("value", [b"Bearer eyJhbGciOi", b"AWS4-HMAC-SHA256 eyJhbGciOi", b"Basic YTpi"])
def test_o25_a_misshapen_signature(mode: Plane, service: str, value: bytes) -> None:
    response = mode.send(with_header(plain(service), b"Authorization", value))

    assert refused(service, response, *INCOMPLETE)
    assert value.partition(b" ")[2] not in response.body


@pytest.mark.parametrize("service", SERVICES)
def test_o25_a_credential_for_another_service(mode: Plane, service: str) -> None:
    """Also in development mode, also with a key that is known."""
    key = mode.admin_key()
    other = signed(plain(service), "logs", key=key.access_key_id, secret=key.secret.decode())
    response = mode.send(other)

    assert refused(service, response, *MISMATCH)
    assert message_of(response).startswith("Credential should be scoped to correct service")


@pytest.mark.parametrize("service", SERVICES)
def test_o25_an_unknown_key_in_production(production: Plane, service: str) -> None:
    response = production.send(signed(plain(service), MODELS.service(service).signing_name))

    assert refused(service, response, *UNKNOWN)
    assert message_of(response) == "The security token included in the request is invalid."


def altered(name: bytes, value: bytes) -> Callable[[Request], Request]:
    return lambda request: with_header(request, name, value)


def with_body(request: Request) -> Request:
    return Request(request.method, request.target, request.headers, request.body + b" ")


def with_query(request: Request) -> Request:
    mark = b"&" if b"?" in request.target else b"?"
    return Request(request.method, request.target + mark + b"more=1", request.headers, request.body)


def with_other_scope(old: bytes, new: bytes) -> Callable[[Request], Request]:
    def alter(request: Request) -> Request:
        value = request.find(b"authorization")
        assert value is not None
        assert old in value
        return with_header(request, b"Authorization", value.replace(old, new))

    return alter


def with_unsigned_host(request: Request) -> Request:
    value = request.find(b"authorization")
    assert value is not None
    return with_header(request, b"Authorization", value.replace(b"host;", b"").replace(b";host", b""))


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(with_body, id="body"),
        pytest.param(with_query, id="query"),
        pytest.param(altered(b"Host", b"127.0.0.1:4566"), id="host"),
        pytest.param(altered(b"X-Amz-Unsigned", b"1"), id="unsigned x-amz header"),
        pytest.param(altered(b"X-Amz-Content-Sha256", b"UNSIGNED-PAYLOAD"), id="unsigned payload"),
        pytest.param(altered(b"X-Amz-Content-Sha256", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), id="chunked signature"),
        pytest.param(with_other_scope(b"/us-east-1/", b"/eu-west-1/"), id="region"),
        pytest.param(with_unsigned_host, id="host not signed"),
    ],
)
def test_o25_an_altered_request_of_a_known_key(mode: Plane, service: str, alter: Callable[[Request], Request]) -> None:
    """Known keys are proven in development mode too."""
    assert refused(service, mode.send(alter(by(mode, service))), *MISMATCH)


def test_o25_unsigned_payload_even_when_signed_so(production: Plane) -> None:
    """A header that says UNSIGNED-PAYLOAD and is itself signed still leaves the body open to change."""
    key = production.admin_key()
    request = with_header(plain("lambda"), b"X-Amz-Content-Sha256", b"UNSIGNED-PAYLOAD")
    honest = signed(request, "lambda", key=key.access_key_id, secret=key.secret.decode())

    assert refused("lambda", production.send(honest), *MISMATCH)


@pytest.mark.parametrize("minutes", [16, -16])
@pytest.mark.parametrize("service", SERVICES)
def test_o25_a_clock_that_is_sixteen_minutes_off(
    mode: Plane, service: str, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = by(mode, service)
    now = clock.real_now() + minutes * 60
    monkeypatch.setattr(clock, "real_now", lambda: now)
    response = mode.send(request)

    assert refused(service, response, *MISMATCH)
    words = "Signature expired: " if minutes > 0 else "Signature not yet current: "
    assert message_of(response).startswith(words)


def test_o25_execute_api_allows_five_minutes() -> None:
    class Key:
        secret = b"secret"
        session_token = None
        expires_at = None

    request = signed(Request("GET", b"/prod/orders", []), "execute-api")
    credential = read_credential(request)
    assert credential is not None

    def check(minutes: float) -> None:
        now = clock.real_now() + minutes * 60
        sigv4.verify(request, credential, Key(), service="execute-api", now=now, skew_s=sigv4.EXECUTE_API_SKEW_S)

    check(4.8)
    check(-4.8)
    for minutes in (6, -6):
        with pytest.raises(SignatureRefused, match="5 min"):
            check(minutes)


def test_o25_a_revoked_key_is_unknown_at_once(production: Plane) -> None:
    key = production.admin_key()
    request = signed(plain("iam"), "iam", key=key.access_key_id, secret=key.secret.decode())
    assert production.send(request).status == 200

    assert production.write(lambda tx: keys.revoke_key(tx, key.access_key_id))

    assert refused("iam", production.send(request), *UNKNOWN)


def test_o25_both_forms_at_once_are_refused(mode: Plane) -> None:
    key = mode.admin_key()
    presigned = signed(plain("lambda"), "lambda", key=key.access_key_id, secret=key.secret.decode(), presign=True)
    header = by(mode, "lambda").find(b"authorization")

    assert refused("lambda", mode.send(with_header(presigned, b"Authorization", header)), *INCOMPLETE)


def test_o25_an_unknown_operation_is_told_only_to_those_who_sign(mode: Plane) -> None:
    request = Request("GET", b"/2015-03-31/no-such-thing", [(b"Host", HOST.encode())])

    assert code_of(mode.send(request)) == "MissingAuthenticationTokenException"


def test_o25_a_stranger_does_not_make_the_server_read_large_models(production: Plane) -> None:
    """botocore has four hundred services, some with megabytes of model: memory and time for those who sign only."""
    before = len(production.control.models._services)
    for name in ("ec2", "sagemaker", "quicksight"):
        response = production.send(signed(Request("POST", b"/", [(b"X-Amz-Target", b"A.B")]), name))
        assert (response.status, code_of(response)) == (403, "UnrecognizedClientException")

    assert len(production.control.models._services) == before


def test_o25_development_takes_any_other_key(development: Plane) -> None:
    """Design: any access key is accepted; a 12-digit one names the account."""
    response = development.send(signed(plain("sts"), "sts", key="123456789012", secret="whatever"))

    assert response.status == 200
    assert b"<Arn>arn:aws:iam::123456789012:root</Arn>" in response.body
    assert b"<Account>123456789012</Account>" in response.body


def test_o25_development_proves_presigned_queries(development: Plane) -> None:
    """A link can be clicked on any page: its signature must be that of a known key."""
    assert refused("lambda", development.send(signed(plain("lambda"), "lambda", presign=True)), *UNKNOWN)


# U4: a web page drives the control plane


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    "header", [(b"Origin", b"https://evil.example"), (b"Origin", b"null"), (b"Sec-Fetch-Site", b"same-origin")]
)
def test_u4_a_browser_is_refused_whatever_it_signs(mode: Plane, service: str, header: tuple[bytes, bytes]) -> None:
    response = mode.send(with_header(by(mode, service), *header))

    assert (response.status, code_of(response).removesuffix("Exception")) == (403, "AccessDenied")
    assert not [name for name, _ in response.headers if name.lower().startswith(b"access-control-")]


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"])
def test_u4_a_simple_post_without_a_signature_is_refused(mode: Plane, content_type: bytes) -> None:
    """What a form can send across sites: no preflight, no Authorization."""
    create = b"Action=CreateRole&Version=2010-05-08&RoleName=r"
    for target, body in ((b"/", create), (b"/restapis", b'{"name":"a"}'), (b"/?" + create, b"")):
        request = Request("POST", target, [(b"Host", HOST.encode()), (b"Content-Type", content_type)], body)
        assert mode.send(request).status == 403


@pytest.mark.parametrize("name", [b"Forwarded", b"X-Forwarded-For", b"X-Forwarded-Host", b"Via"])
def test_u4_a_proxy_makes_nobody_local(development: Plane, name: bytes) -> None:
    response = development.send(with_header(by(development, "iam"), name, b"1.2.3.4"))

    assert (response.status, code_of(response)) == (403, "AccessDenied")


def test_u4_only_unsigned_operations_are_open_to_browsers(mode: Plane) -> None:
    request = as_request(MODELS.operation("cognito-idp", "InitiateAuth"), {"AuthFlow": "USER_AUTH", "ClientId": "a"})
    response = mode.send(with_header(request, b"Origin", b"https://shop.example"))

    assert (b"Access-Control-Allow-Origin", b"*") in response.headers


# U5: a function's session


@pytest.mark.parametrize(
    ("service", "operation", "members", "action", "resource"),
    [
        ("cognito-idp", "ListUserPools", {"MaxResults": 1}, "cognito-idp:ListUserPools", "*"),
        ("apigateway", "GetRestApis", {}, "apigateway:GET", "arn:aws:apigateway:us-east-1::/restapis"),
        ("apigatewayv2", "DeleteApi", {"ApiId": "a"}, "apigateway:DELETE", "arn:aws:apigateway:us-east-1::/apis/a"),
        ("iam", "GetRole", {"RoleName": "r"}, "iam:GetRole", "arn:aws:iam::000000000000:role/r"),
        (
            "lambda",
            "GetFunction",
            {"FunctionName": "f"},
            "lambda:GetFunction",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
        ),
    ],
)
def test_u5_a_session_is_denied_by_name(
    mode: Plane, service: str, operation: str, members: dict[str, Any], action: str, resource: str
) -> None:
    session = mode.session()
    known = MODELS.operation(service, operation)
    request = signed(
        as_request(known, members),
        known.service.signing_name,
        key=session.access_key_id,
        secret=session.secret.decode(),
        token=session.session_token,
    )
    response = mode.send(request)

    assert code_of(response).removesuffix("Exception") == "AccessDenied"
    assert response.status == (400 if service == "cognito-idp" else 403)
    assert message_of(response) == (
        f"User: arn:aws:sts::000000000000:assumed-role/orders/orders is not authorized to perform: {action} "
        f"on resource: {resource} because no identity-based policy allows the {action} action"
    )


def test_u5_a_session_may_ask_who_it_is(mode: Plane) -> None:
    session = mode.session()
    credentials = {"key": session.access_key_id, "secret": session.secret.decode(), "token": session.session_token}
    response = mode.send(signed(plain("sts"), "sts", **credentials))

    assert response.status == 200
    assert b"<Arn>arn:aws:sts::000000000000:assumed-role/orders/orders</Arn>" in response.body


@pytest.mark.parametrize("change", ["secret", "token", "no token", "other's token", "key"])
def test_u5_a_session_is_proven_in_every_mode(mode: Plane, change: str) -> None:
    """A function cannot turn its session into "any key" by spoiling it."""
    session, other = mode.session(), mode.session("other")
    token = session.session_token or ""
    key, secret, sent = {
        "secret": (session.access_key_id, "guess", token),
        "token": (session.access_key_id, session.secret.decode(), token[:-4] + "AAAA"),
        "no token": (session.access_key_id, session.secret.decode(), None),
        "other's token": (session.access_key_id, session.secret.decode(), other.session_token),
        "key": (other.access_key_id, session.secret.decode(), token),
    }[change]
    response = mode.send(signed(plain("iam"), "iam", key=key, secret=secret, token=sent))

    wanted = MISMATCH if change == "secret" else UNKNOWN
    assert refused("iam", response, *wanted)


def test_u5_a_session_ends(mode: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    session = mode.session()
    later = clock.real_now() + 12 * 3600 + 5
    monkeypatch.setattr(clock, "real_now", lambda: later)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(later, UTC))
    request = signed(
        plain("sts"), "sts", key=session.access_key_id, secret=session.secret.decode(), token=session.session_token
    )
    response = mode.send(request)

    assert (response.status, code_of(response)) == (403, "ExpiredToken")


def test_u5_a_session_may_not_use_this_servers_own_api(mode: Plane) -> None:
    session = mode.session()
    request = signed(
        Request("GET", b"/_scopegate/api/overview", []),
        "scopegate",
        key=session.access_key_id,
        secret=session.secret.decode(),
        token=session.session_token,
    )

    with pytest.raises(AwsError) as refusal:
        mode.control.authenticate_own(request)

    assert refusal.value.code == "AccessDeniedException"
