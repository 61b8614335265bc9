"""Host and path → room: one table, tested as one. Attack rows G4 and U4 (DNS rebinding) in the refusals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.settings import Settings
from scopegate.server.hosts import (
    AWS,
    HEALTH,
    Aws,
    ExecuteApi,
    HostTable,
    IssuerDocument,
    NotOurs,
    OAuth,
    Own,
    Room,
    find_room,
    parse_host,
)

POOL = "us-east-1_AbCdEf123"
TABLE = HostTable(Settings(public_hosts=("scopegate",)), "gateway.example.com")
CUSTOM = {"login.example.com", "orders"}


def room(host: str, path: str) -> Room:
    return find_room(TABLE, host, path.encode(), CUSTOM)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        # users' APIs, by host
        ("abc123.execute-api.us-east-1.amazonaws.com", "/prod/orders", ExecuteApi("abc123", b"/prod/orders")),
        ("ABC123.execute-api.us-east-1.amazonaws.com:443", "/prod", ExecuteApi("abc123", b"/prod")),
        ("abc123.execute-api.localhost:4566", "/prod/orders", ExecuteApi("abc123", b"/prod/orders")),
        ("abc123.execute-api.localhost.localstack.cloud:4566", "/p", ExecuteApi("abc123", b"/p")),
        ("abc123.execute-api.eu-west-1.localhost.localstack.cloud", "/p", ExecuteApi("abc123", b"/p")),
        ("abc123.execute-api.cn-north-1.amazonaws.com.cn", "/p", ExecuteApi("abc123", b"/p")),
        # users' APIs, by path
        ("localhost:4566", "/restapis/abc123/prod/_user_request_/orders/1", ExecuteApi("abc123", b"/prod/orders/1")),
        ("localhost:4566", "/restapis/abc123/prod/_user_request_", ExecuteApi("abc123", b"/prod")),
        ("localhost:4566", "/restapis/abc123/prod/_user_request_/", ExecuteApi("abc123", b"/prod/")),
        ("localhost:4566", "/restapis/abc123/prod/_user_request_//a%2Fb", ExecuteApi("abc123", b"/prod//a%2Fb")),
        ("localhost:4566", "/_aws/execute-api/abc123/prod/orders", ExecuteApi("abc123", b"/prod/orders")),
        ("localhost:4566", "/_aws/execute-api/abc123", ExecuteApi("abc123", b"/")),
        ("localhost:4566", "/_aws/execute-api/abc123/", ExecuteApi("abc123", b"/")),
        # the token endpoint
        ("orders.auth.us-east-1.amazoncognito.com", "/oauth2/token", OAuth("/oauth2/token", domain="orders")),
        ("orders.auth.localhost:4566", "/oauth2/token", OAuth("/oauth2/token", domain="orders")),
        ("orders.auth.localhost.localstack.cloud", "/login", OAuth("/login", domain="orders")),
        ("orders.auth.localhost", "/login/style.css", OAuth("/login/style.css", domain="orders")),
        ("localhost", "/login/style.css", OAuth("/login/style.css")),
        ("localhost", "/us-east-1_AbC/login/x.png", OAuth("/login/x.png", pool_id="us-east-1_AbC")),
        ("login.example.com", "/oauth2/token", OAuth("/oauth2/token", domain="login.example.com")),
        ("localhost:4566", "/oauth2/token", OAuth("/oauth2/token")),
        ("127.0.0.1:4566", "/_aws/cognito-idp/oauth2/token", OAuth("/oauth2/token")),
        ("[::1]:4566", "/cognito-idp/oauth2/token", OAuth("/oauth2/token")),
        ("localhost", f"/{POOL}/oauth2/token", OAuth("/oauth2/token", pool_id=POOL)),
        # issuer documents
        ("localhost", f"/{POOL}/.well-known/jwks.json", IssuerDocument(POOL, "jwks.json")),
        ("localhost", f"/cognito-idp/{POOL}/.well-known/jwks.json", IssuerDocument(POOL, "jwks.json")),
        (
            "cognito-idp.us-east-1.amazonaws.com",
            f"/{POOL}/.well-known/openid-configuration",
            IssuerDocument(POOL, "openid-configuration"),
        ),
        # AWS operations
        ("localhost:4566", "/", AWS),
        ("localhost:4566", "/restapis/abc123/resources", AWS),
        ("localhost:4566", "/restapis", AWS),
        ("localhost:4566", "/v2/apis", AWS),
        ("cognito-idp.us-east-1.amazonaws.com", "/", AWS),
        ("lambda.us-east-1.amazonaws.com", "/2015-03-31/functions", AWS),
        ("lambda.localhost.localstack.cloud:4566", "/2015-03-31/functions", AWS),
        ("localhost.localstack.cloud:4566", "/", AWS),
        # this server itself
        ("localhost:4566", "/_scopegate/api/overview", Own("api/overview")),
        ("scopegate.localhost:4566", "/api/overview", Own("api/overview")),
        ("anything.example", "/_scopegate/health", HEALTH),
        # names given by the operator
        ("gateway.example.com", "/oauth2/token", OAuth("/oauth2/token")),
        ("scopegate:4566", "/", AWS),
        ("any.localhost", "/", AWS),
    ],
)
def test_url_form(host: str, path: str, expected: Room) -> None:
    assert room(host, path) == expected


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "amazonaws.com.evil.example",
        "abc.execute-api.us-east-1.amazonaws.com.evil.example",
        "abc.execute-api.localhost.evil.example",
        "localhost.",
        "localhost:",
        "localhost:99999",
        "localhost:80a",
        "user@localhost",
        "localhost/path",
        "local host",
        "",
        "10.0.0.1",
        "169.254.169.254",
        "0x7f000001",
        "[::1",
        "[::2]",
    ],
)
def test_foreign_host_is_refused(host: str) -> None:
    assert isinstance(room(host, "/"), NotOurs)
    assert isinstance(room(host, "/oauth2/token"), NotOurs)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_every_host_and_path_has_a_room(host: str, path: bytes) -> None:
    find_room(TABLE, host, b"/" + path, CUSTOM)


@given(st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){0,3}", fullmatch=True), st.integers(0, 65535))
def test_canonical_host_has_no_case_and_no_port(name: str, port: int) -> None:
    assert parse_host(f"{name.upper()}:{port}") == name


def test_control_paths_of_an_api_are_not_calls_of_it() -> None:
    assert isinstance(room("localhost", "/restapis/abc123/stages/_user_request_x"), Aws)


def test_o24_a_pool_cannot_take_a_name_of_this_server() -> None:
    """A custom domain is whatever CreateUserPoolDomain was asked for."""
    taken = {
        "localhost",
        "127.0.0.1",
        "scopegate",
        "gateway.example.com",
        "lambda.us-east-1.amazonaws.com",
        "abc123.execute-api.us-east-1.amazonaws.com",
        "scopegate.localhost",
        "orders.auth.localhost",
    }

    rooms = {name: find_room(TABLE, name, b"/", taken) for name in taken}

    assert rooms["orders.auth.localhost"] == OAuth("/", domain="orders")
    assert rooms["scopegate.localhost"] == Own("")
    assert rooms["abc123.execute-api.us-east-1.amazonaws.com"] == ExecuteApi("abc123", b"/")
    assert {rooms[name] for name in ("localhost", "127.0.0.1", "scopegate", "gateway.example.com")} == {AWS}
    assert rooms["lambda.us-east-1.amazonaws.com"] == AWS


def test_a_custom_domain_below_localhost_comes_and_goes() -> None:
    """It is looked up anew for each request, also after the name was answered without it."""
    name = "login.shop.localhost"

    assert find_room(TABLE, name, b"/oauth2/token", set()) == OAuth("/oauth2/token")
    assert find_room(TABLE, name, b"/oauth2/token", {name}) == OAuth("/oauth2/token", domain=name)
    assert find_room(TABLE, name, b"/oauth2/token", set()) == OAuth("/oauth2/token")


def test_the_host_of_the_issuer_url_is_ours() -> None:
    """Design, "Two issuer worlds": an issuer of `--issuer-url` is reachable as written, also inside containers."""
    table = HostTable(Settings(issuer_url="http://scopegate:4566"), "localhost")

    found = find_room(table, "scopegate:4566", f"/{POOL}/.well-known/jwks.json".encode(), frozenset())

    assert found == IssuerDocument(POOL, "jwks.json")


def test_an_issuer_with_a_path_is_reachable_as_written() -> None:
    table = HostTable(Settings(issuer_url="https://login.example.com/pools/"), "localhost")

    def at(path: str) -> Room:
        return find_room(table, "login.example.com", path.encode(), ())

    document = f"/{POOL}/.well-known/openid-configuration"
    assert at(f"/pools{document}") == at(document) == IssuerDocument(POOL, "openid-configuration")
    assert at(f"/pool{document}") == AWS
    assert at(f"/pools/pools{document}") == AWS
