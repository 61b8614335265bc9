"""Attack rows G3, G5 to G7, G9, G12, G14, G15, G17 to G19: requests that try to pass as others."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopegate.http.client import Client
from scopegate.http.egress import EgressPolicy
from scopegate.http.message import Response
from tests.rooms.gateway.driver import (
    Answer,
    Gateway,
    Pool,
    cognito_authorizer,
    cognito_method,
    jwt_authorizer,
    jwt_route,
    lambda_integration,
    lambda_method,
)
from tests.rooms.gateway.upstream import Put, Upstream, call_upstream, serving

POOL = Pool("AAAAAAAAA")


def protected_rest(gateway: Gateway, url: str) -> None:
    """`/admin` is protected; what else there is, is open; all of it goes to one web service under the same path."""

    def method(**authorization: Any) -> dict[str, Any]:
        integration = {
            "type": "HTTP_PROXY",
            "httpMethod": "ANY",
            "uri": url + "/{proxy}",
            "requestParameters": {"integration.request.path.proxy": "method.request.path.proxy"},
        }
        return {"methodIntegration": integration, **authorization}

    closed = {"authorizationType": "COGNITO_USER_POOLS", "authorizerId": "auth01", "authorizationScopes": ["a/b"]}
    gateway.put_rest(
        {
            "/admin": {"ANY": method(**closed)},
            "/admin/{proxy+}": {"ANY": method(**closed)},
            "/{proxy+}": {"ANY": method()},
        },
        authorizers=(cognito_authorizer(POOL),),
    )


def protected_http(gateway: Gateway, url: str) -> None:
    integration = {"IntegrationType": "HTTP_PROXY", "IntegrationMethod": "ANY", "IntegrationUri": url}
    gateway.put_http(
        {"ANY /admin": jwt_route("a/b"), "ANY /admin/{proxy+}": jwt_route("a/b"), "$default": {}},
        {"web": integration},
        authorizers=(jwt_authorizer(POOL.issuer, "client1"),),
        stages=({"StageName": "prod"},),
    )


BOTH = pytest.mark.parametrize("put", [protected_rest, protected_http])


@BOTH
@pytest.mark.parametrize(
    "path",
    [
        "/x/../admin", "/./admin", "/x/%2e%2e/admin", "/x/%2E%2e/admin", "/x/.%2e/admin", "/x/..;a=b/admin",
        "/x/..%2fadmin", "/x%2f..%2fadmin", "/x/..%5cadmin", "/..\\admin", "/x/..", "/x/.", "/%2e", "/x/%2e%2e%2fadmin",
    ],
)  # fmt: skip
def test_g3_dot_segments_toward_a_web_service_are_refused(put: Put, path: str) -> None:
    answer, upstream, _ = call_upstream(put, "GET", "/prod" + path, pools=[POOL])

    assert answer.status == 400
    assert upstream.lines == []


@BOTH
@pytest.mark.parametrize(
    "path", ["/x%00", "/%ff", "/%c0%ae%c0%ae/admin", "/%", "/%2", "/%zz", "/%ed%a0%80", "/x%u002e"]
)
def test_g3_what_has_two_readings_is_refused(put: Put, path: str) -> None:
    answer, upstream, _ = call_upstream(put, "GET", "/prod" + path, pools=[POOL])

    assert answer.status == 400
    assert upstream.lines == []


@BOTH
@pytest.mark.parametrize("path", ["//admin", "/admin", "/admin/", "/admin/x", "//admin//x", "/admin/%2e"])
def test_g3_every_spelling_of_the_protected_path_is_protected(put: Put, path: str) -> None:
    answer, upstream, gateway = call_upstream(put, "GET", "/prod" + path, pools=[POOL])

    assert (answer.status in (401, 404)) or (put is protected_http and path == "/admin/%2e")
    assert not any(line.split(" ")[1].lstrip("/").startswith("admin") for line in upstream.lines)
    assert gateway.record.decision != "ALLOW"


def test_g3_an_http_api_decodes_before_it_chooses() -> None:
    """`/admi%6e` is `/admin` for an HTTP API; a REST API routes on the path as sent and forwards it so."""
    answer, upstream, _ = call_upstream(protected_http, "GET", "/prod/admi%6e", pools=[POOL])
    assert (answer.status, upstream.lines) == (401, [])

    answer, upstream, _ = call_upstream(protected_http, "GET", "/prod/admin%2fx", pools=[POOL])
    assert (answer.status, upstream.lines) == (401, [])

    _, upstream, _ = call_upstream(protected_http, "GET", "/prod/%2561dmin", pools=[POOL])
    assert upstream.target == "/%2561dmin"

    _, upstream, _ = call_upstream(protected_rest, "GET", "/prod/admi%6e", pools=[POOL])
    assert upstream.target == "/admi%6e"


PATH = st.text(alphabet="/.;%25admin\\?eEfFx0", max_size=14).map(lambda text: "/prod/" + text)


@settings(max_examples=300, deadline=None)
@given(PATH)
def test_g3_the_path_that_was_allowed_is_the_path_that_is_forwarded(path: str) -> None:
    """Without a token nothing that a web service could read as `/admin` arrives there (HTTP API, decoded once)."""
    sent: list[bytes] = []

    class Recorder:
        def send(self, _upstream: Any, _method: str, target: bytes, *_: Any, **__: Any) -> Any:
            sent.append(target)
            raise ValueError("nothing is sent")

    gateway = Gateway(pools=[POOL], client=Recorder())
    protected_http(gateway, "http://web.example")
    answer = gateway.call("GET", path)

    assert answer.status in (400, 401, 404, 500)
    for target in sent:
        assert not target.partition(b"?")[0].decode().lstrip("/").startswith(("admin/", "admin\\"))
        assert target.partition(b"?")[0] not in (b"/admin", b"//admin")


OURS = {
    "X-Amzn-Apigateway-Api-Id": "spoofed",
    "x-amzn-requestid": "spoofed",
    "X-Amzn-Oidc-Data": "spoofed",
    "X-Amz-Apigw-Id": "spoofed",
    "Apigw-Requestid": "spoofed",
}


@BOTH
def test_g5_headers_of_ours_are_not_believed_and_do_not_arrive(put: Put) -> None:
    _, upstream, _ = call_upstream(put, "GET", "/prod/x", OURS, pools=[POOL])

    assert "spoofed" not in [value for _, value in upstream.heads[-1]]


def claims_on_the_way_of_rest(gateway: Gateway, url: str) -> None:
    integration = {
        "type": "HTTP_PROXY",
        "httpMethod": "GET",
        "uri": url,
        "requestParameters": {
            "integration.request.header.X-Groups": "context.authorizer.claims.groups",
            "integration.request.querystring.groups": "context.authorizer.claims.groups",
        },
    }
    gateway.put_rest(
        {"/r": {"GET": {**cognito_method("orders/read"), "methodIntegration": integration}}},
        authorizers=(cognito_authorizer(POOL),),
    )


def claims_on_the_way_of_http(gateway: Gateway, url: str) -> None:
    integration = {
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "GET",
        "IntegrationUri": url,
        "RequestParameters": {
            "overwrite:header.x-groups": "$context.authorizer.claims.groups",
            "overwrite:querystring.groups": "${context.authorizer.claims.groups}",
        },
    }
    gateway.put_http(
        {"GET /r": jwt_route("orders/read")},
        {"web": integration},
        authorizers=(jwt_authorizer(POOL.issuer, "client1"),),
        stages=({"StageName": "prod"},),
    )


@pytest.mark.parametrize("put", [claims_on_the_way_of_rest, claims_on_the_way_of_http])
def test_g5_what_the_gateway_fills_is_never_the_clients(put: Put) -> None:
    """Whose token lacks the claim has none, whatever the call says."""

    def arrived(**claims: Any) -> tuple[str | None, str]:
        sent = {"Authorization": POOL.access_token(**claims), "X-Groups": "admin"}
        _, upstream, _ = call_upstream(put, "GET", "/prod/r?a=1&groups=admin&%67roups=owner", sent, pools=[POOL])
        return upstream.header("X-Groups"), upstream.target.rpartition("?")[2]

    assert arrived() == (None, "a=1")
    assert arrived(groups="readers") == ("readers", "a=1&groups=readers")


@pytest.mark.parametrize("version", ["rest", "1.0", "2.0"])
def test_g5_headers_of_ours_are_not_in_events(version: str) -> None:
    gateway = Gateway()
    if version == "rest":
        gateway.put_rest({"/x": {"GET": lambda_method()}})
    else:
        gateway.put_http({"GET /x": {}}, {"fn": lambda_integration(version)}, stages=({"StageName": "prod"},))

    gateway.call("GET", "/prod/x", OURS)

    event = gateway.invoked.event
    assert "spoofed" not in str(event)
    assert "authorizer" not in event["requestContext"]


@BOTH
def test_g6_names_with_underscores_do_not_reach_a_web_service(put: Put) -> None:
    headers = {"X_Forwarded_Proto": "https", "x_user": "root", "X-User": "ada"}

    _, upstream, _ = call_upstream(put, "GET", "/prod/x", headers, pools=[POOL])

    assert not any("_" in name for name in upstream.names)
    assert upstream.header("x-user") == "ada"


@BOTH
def test_g7_connection_names_nothing_away(put: Put) -> None:
    headers = {"Connection": "authorization, x-user-id, close", "Authorization": "Bearer t", "X-User-Id": "1"}

    _, upstream, _ = call_upstream(put, "GET", "/prod/x", headers, pools=[POOL])

    assert upstream.header("authorization") == "Bearer t"
    assert upstream.header("x-user-id") == "1"
    assert upstream.header("connection") == "keep-alive"


@pytest.mark.parametrize("version", ["rest", "2.0"])
def test_g9_the_clients_address_is_the_peers_and_last_in_the_list(version: str) -> None:
    gateway = Gateway()
    if version == "rest":
        gateway.put_rest({"/x": {"GET": lambda_method()}})
    else:
        gateway.put_http({"GET /x": {}}, stages=({"StageName": "prod"},))
    spoof = {"X-Forwarded-For": "1.1.1.1", "X-Real-IP": "1.1.1.1", "X-Forwarded-Proto": "ftp", "X-Forwarded-Port": "1"}

    gateway.call("GET", "/prod/x", {**spoof, "Forwarded": "for=1.1.1.1"})

    event = gateway.invoked.event
    context = event["requestContext"]
    assert (context.get("identity") or context["http"])["sourceIp"] == "203.0.113.9"
    headers = {name.lower(): value for name, value in event["headers"].items()}
    assert headers["x-forwarded-for"] == "1.1.1.1, 203.0.113.9"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")


@BOTH
def test_g12_a_failure_shows_neither_address_nor_trace(put: Put) -> None:
    async def run() -> Answer:
        client = Client(EgressPolicy(development=True))
        gateway = Gateway(client=client, pools=[POOL])
        put(gateway, "http://127.0.0.1:1024")
        answer = await gateway.call_async("GET", "/prod/x")
        await client.close()
        return answer

    answer = asyncio.run(run())

    shown = answer.body + b"".join(value for _, value in answer.headers)
    assert answer.status in (503, 504)
    assert b"127.0.0.1" not in shown
    assert b"1024" not in shown
    assert b"Error" not in answer.body


def test_g14_only_declared_routes_reach_a_function() -> None:
    gateway = Gateway()
    gateway.put_rest({"/declared": {"GET": lambda_method()}})

    for path in ("/prod/orders", "/prod/function:orders", "/prod/invocations", "/orders", "/prod/declared/orders"):
        assert gateway.call("GET", path).status == 403
    assert not gateway.invoked.invocations


@BOTH
@pytest.mark.parametrize(
    ("host", "development"),
    [
        ("169.254.169.254", True),
        ("[fe80::1]", True),
        ("[::ffff:169.254.169.254]", True),
        ("127.0.0.1", False),
        ("localhost", False),
        ("10.0.0.1", False),
    ],
)
def test_g15_addresses_that_no_web_service_has_are_never_reached(put: Put, host: str, development: bool) -> None:
    async def run() -> tuple[Answer, Gateway]:
        client = Client(EgressPolicy(development=development))
        gateway = Gateway(client=client, pools=[POOL])
        put(gateway, f"http://{host}:8080")
        answer = await gateway.call_async("GET", "/prod/x")
        await client.close()
        return answer, gateway

    answer, gateway = asyncio.run(run())

    assert answer.status == 500
    assert "address" in gateway.record.facts["failure"]


@BOTH
def test_g15_our_own_admin_plane_is_not_behind_an_integration(put: Put) -> None:
    async def run() -> tuple[Answer, Upstream]:
        async with serving(Upstream()) as service:
            policy = EgressPolicy(development=True, is_own_admin=lambda _address, port: port == service.port)
            client = Client(policy)
            gateway = Gateway(client=client, pools=[POOL])
            put(gateway, service.url)
            answer = await gateway.call_async("GET", "/prod/x")
            await client.close()
            return answer, service

    answer, service = asyncio.run(run())

    assert (answer.status, service.lines) == (500, [])


@pytest.mark.parametrize("uri", ["http://{host}/", "http://x.{host}/", "http://{host}:80/", "http://u{x}@web.example/"])
def test_g15_a_host_is_never_request_data(uri: str) -> None:
    gateway = Gateway()
    integration = {
        "type": "HTTP_PROXY",
        "httpMethod": "GET",
        "uri": uri,
        "requestParameters": {"integration.request.path.host": "method.request.header.X-Host"},
    }
    gateway.put_rest({"/r": {"GET": {"methodIntegration": integration}}})
    assert gateway.call("GET", "/prod/r", {"X-Host": "evil.example"}).status == 500

    gateway.put_http({"GET /{host}/{x}": {}}, {"web": {"IntegrationType": "HTTP_PROXY", "IntegrationUri": uri}})
    assert gateway.call("GET", "/evil.example/x").status == 500


@pytest.mark.parametrize("claim", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_g17_a_claim_with_line_ends_is_not_written_into_a_header(claim: str) -> None:
    def put(gateway: Gateway, url: str) -> None:
        integration = {
            "type": "HTTP_PROXY",
            "httpMethod": "GET",
            "uri": url,
            "requestParameters": {"integration.request.header.X-Claim": "context.authorizer.claims.name"},
        }
        gateway.put_rest(
            {"/r": {"GET": {**cognito_method("orders/read"), "methodIntegration": integration}}},
            authorizers=(cognito_authorizer(POOL),),
        )

    token = POOL.access_token(name=claim)

    answer, upstream, _ = call_upstream(put, "GET", "/prod/r", {"Authorization": token}, pools=[POOL])
    assert (answer.status, upstream.lines) == (500, [])

    token = POOL.access_token(name="plain")
    _, upstream, _ = call_upstream(put, "GET", "/prod/r", {"Authorization": token}, pools=[POOL])
    assert upstream.header("X-Claim") == "plain"


def test_g18_a_preflight_never_reaches_a_protected_integration() -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_http(
        {"ANY /x": jwt_route("a/b"), "GET /y": jwt_route("a/b")},
        authorizers=(jwt_authorizer(POOL.issuer, "client1"),),
        CorsConfiguration={"AllowOrigins": ["https://app.example"], "AllowCredentials": True},
    )
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}

    assert gateway.call("OPTIONS", "/x", preflight).status == 401
    answer = gateway.call("OPTIONS", "/y", preflight)
    assert (answer.status, answer.header("access-control-allow-origin")) == (204, None)
    assert not gateway.invoked.invocations


def test_g19_an_overridden_method_meets_its_own_authorizer() -> None:
    gateway = Gateway(pools=[POOL])
    gateway.put_rest(
        {"/o": {"POST": lambda_method(), "DELETE": cognito_method("a/b")}}, authorizers=(cognito_authorizer(POOL),)
    )

    assert gateway.call("POST", "/prod/o").status == 200
    assert gateway.call("POST", "/prod/o", {"X-HTTP-Method-Override": "DELETE"}).status == 401
    assert gateway.call("POST", "/prod/o", {"x-http-method-override": "delete"}).status == 401
    assert gateway.call("POST", "/prod/o", {"X-HTTP-Method-Override": "PUT"}).status == 403
    assert gateway.call("DELETE", "/prod/o", {"X-HTTP-Method-Override": "POST"}).status == 401


def test_g19_http_apis_ignore_the_override() -> None:
    gateway = Gateway()
    gateway.put_http({"POST /o": {}, "DELETE /o": {}})

    gateway.call("POST", "/o", {"X-HTTP-Method-Override": "DELETE"})

    assert gateway.invoked.event["routeKey"] == "POST /o"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "FOO", "get", "PROPFIND", "G-T"])
def test_g19_unknown_verbs_get_the_routing_answer(method: str) -> None:
    gateway = Gateway()
    gateway.put_rest({"/o": {"ANY": lambda_method()}, "/{proxy+}": {"ANY": lambda_method()}})
    started = gateway.start(method, "/prod/o")
    assert isinstance(started, Response)
    assert started.status == 403

    gateway.put_http({"ANY /o": {}, "$default": {}})
    started = gateway.start(method, "/o")
    assert isinstance(started, Response)
    assert started.status == 404
    assert not gateway.invoked.invocations
