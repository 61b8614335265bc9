"""Calls of APIs over real HTTP, made by boto3 beforehand: URL forms, refusals as bytes, a web service behind."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.server import REGION, Pool, Server


class Echo(BaseHTTPRequestHandler):
    """A web service that says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        seen = {"method": self.command, "target": self.path, "body": self.rfile.read(length).decode()}
        body = json.dumps({**seen, "headers": dict(self.headers.items())}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "https://theirs")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    service = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    service.daemon_threads = True
    thread = threading.Thread(target=service.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{service.server_address[1]}"
    service.shutdown()
    thread.join()
    service.server_close()


@pytest.fixture
def rest_id(server: Server, pool: Pool, web: str) -> str:
    """`GET /orders/{id}` for orders/read, `ANY /files/{proxy+}` open, both to the web service; a CORS preflight."""
    api = server.aws("apigateway")
    made = api.create_rest_api(name="orders", endpointConfiguration={"types": ["REGIONAL"]})
    api_id, root = made["id"], made["rootResourceId"]
    authorizer = api.create_authorizer(
        restApiId=api_id,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[pool.arn],
        identitySource="method.request.header.Authorization",
    )["id"]

    def resource(parent: str, part: str) -> str:
        created: str = api.create_resource(restApiId=api_id, parentId=parent, pathPart=part)["id"]
        return created

    def forward(where: dict[str, str], path: str, name: str, **authorization: Any) -> None:
        parameter = f"method.request.path.{name}"
        api.put_method(**where, requestParameters={parameter: True}, **{"authorizationType": "NONE", **authorization})
        api.put_integration(
            **where,
            type="HTTP_PROXY",
            integrationHttpMethod="ANY",
            uri=web + path,
            requestParameters={f"integration.request.path.{name}": parameter},
        )

    orders = resource(resource(root, "orders"), "{id}")
    files = resource(resource(root, "files"), "{proxy+}")
    forward(
        {"restApiId": api_id, "resourceId": orders, "httpMethod": "GET"},
        "/store/{id}",
        "id",
        authorizationType="COGNITO_USER_POOLS",
        authorizerId=authorizer,
        authorizationScopes=["orders/read"],
    )
    forward({"restApiId": api_id, "resourceId": files, "httpMethod": "ANY"}, "/{proxy}", "proxy")
    where = {"restApiId": api_id, "resourceId": orders, "httpMethod": "OPTIONS"}
    origin = "method.response.header.Access-Control-Allow-Origin"
    api.put_method(**where, authorizationType="NONE")
    api.put_method_response(**where, statusCode="200", responseParameters={origin: False})
    api.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    api.put_integration_response(**where, statusCode="200", responseParameters={origin: "'*'"})
    api.put_gateway_response(
        restApiId=api_id,
        responseType="MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseParameters={"gatewayresponse.header.X-Kind": "context.error.responseType"},
        responseTemplates={"application/json": '{"not":"here","why":$context.error.messageString}'},
    )
    api.create_deployment(restApiId=api_id, stageName="prod")
    return str(api_id)


@pytest.fixture
def http_id(server: Server, pool: Pool, web: str) -> str:
    """`GET /orders/{id}` for orders/read, `$default` open; stages `$default` and `prod`; CORS for https://app.example."""
    api = server.aws("apigatewayv2")
    client = pool.client()
    api_id = api.create_api(
        Name="orders",
        ProtocolType="HTTP",
        CorsConfiguration={"AllowOrigins": ["https://app.example"], "AllowMethods": ["GET"], "MaxAge": 60},
    )["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": pool.issuer, "Audience": [client["ClientId"]]},
    )["AuthorizerId"]
    integration = api.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="ANY",
        IntegrationUri=web + "/store/{id}",
        PayloadFormatVersion="1.0",
        RequestParameters={"append:header.x-client": "$context.authorizer.claims.client_id"},
    )["IntegrationId"]
    api.create_route(
        ApiId=api_id,
        RouteKey="GET /orders/{id}",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["orders/read"],
    )
    for stage in ("$default", "prod"):
        api.create_stage(ApiId=api_id, StageName=stage, AutoDeploy=True)
    server.aws("apigatewayv2").tag_resource(
        ResourceArn=f"arn:aws:apigateway:{REGION}::/apis/{api_id}", Tags={"client": client["ClientId"]}
    )
    return str(api_id)


def token_for(server: Server, pool: Pool, api_id: str) -> str:
    """A token of the client that is the API's audience."""
    client_id = server.aws("apigatewayv2").get_api(ApiId=api_id)["Tags"]["client"]
    idp = server.aws("cognito-idp")
    client = idp.describe_user_pool_client(UserPoolId=pool.pool_id, ClientId=client_id)["UserPoolClient"]
    return str(server.token(client).json()["access_token"])


def rest_forms(server: Server, api_id: str, path: str) -> list[tuple[str, str | None]]:
    """(path, Host) of every URL form of a REST API's stage `prod`."""
    return [
        (f"/prod{path}", f"{api_id}.execute-api.{REGION}.amazonaws.com"),
        (f"/prod{path}", f"{api_id.upper()}.execute-api.localhost:{server.port}"),
        (f"/prod{path}", f"{api_id}.execute-api.localhost.localstack.cloud:{server.port}"),
        (f"/restapis/{api_id}/prod/_user_request_{path}", None),
        (f"/_aws/execute-api/{api_id}/prod{path}", None),
    ]


def test_a_rest_call_reaches_the_web_service_through_every_url_form(server: Server, pool: Pool, rest_id: str) -> None:
    token = pool.access_token()

    for path, host in rest_forms(server, rest_id, "/orders/a%20b"):
        answer = server.http("GET", path, host=host, headers={"Authorization": token}, params={"q": "1"})
        assert answer.status_code == 200, (path, host, answer.text)
        assert answer.json()["target"] == "/store/a%20b?q=1"
        assert server.http("GET", path, host=host).status_code == 401


def test_an_http_call_reaches_the_web_service_through_every_url_form(server: Server, pool: Pool, http_id: str) -> None:
    token = token_for(server, pool, http_id)
    host = f"{http_id}.execute-api.{REGION}.amazonaws.com"
    base = f"/_aws/execute-api/{http_id}"

    for path, name in (
        ("/orders/7", host),
        ("/prod/orders/7", host),
        (f"{base}/orders/7", None),
        (f"{base}/$default/orders/7", None),
        (f"{base}/prod/orders/7", None),
    ):
        answer = server.http("GET", path, host=name, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, (path, name, answer.text)
        assert answer.json()["target"] == "/store/7"
        assert answer.json()["headers"]["x-client"]
        assert server.http("GET", path, host=name).status_code == 401


def exchange(server: Server, raw: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """One raw request: status line, headers in order, body."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]
        length = int({name.lower(): value for name, value in pairs}.get("content-length", "0"))
        while len(body) < length:
            body += connection.recv(65536)
        return first, pairs, body


def test_a_rest_refusal_as_bytes(server: Server, rest_id: str) -> None:
    host = f"{rest_id}.execute-api.{REGION}.amazonaws.com"

    first, pairs, body = exchange(server, f"GET /prod/orders/1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    headers = dict(pairs)
    assert first == "HTTP/1.1 401 Unauthorized"
    assert body == b'{"message":"Unauthorized"}'
    assert set(headers) == {
        "Date", "Content-Type", "Content-Length", "Connection", "x-amzn-RequestId", "x-amzn-ErrorType", "x-amz-apigw-id"
    }  # fmt: skip
    assert headers["Content-Type"] == "application/json"
    assert headers["x-amzn-ErrorType"] == "UnauthorizedException"
    assert headers["Content-Length"] == "26"


def test_an_http_refusal_as_bytes(server: Server, http_id: str) -> None:
    host = f"{http_id}.execute-api.{REGION}.amazonaws.com"

    first, pairs, body = exchange(server, f"GET /orders/1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    headers = {name.lower(): value for name, value in pairs}
    assert first == "HTTP/1.1 401 Unauthorized"
    assert body == b'{"message":"Unauthorized"}'
    assert headers["www-authenticate"] == "Bearer"
    assert set(headers) == {
        "date",
        "content-type",
        "content-length",
        "connection",
        "www-authenticate",
        "apigw-requestid",
    }


def test_a_customised_response_is_live_with_the_deployment(server: Server, rest_id: str) -> None:
    answer = server.http("GET", f"/restapis/{rest_id}/prod/_user_request_/nowhere")

    assert (answer.status_code, answer.text) == (404, '{"not":"here","why":"Missing Authentication Token"}')
    assert answer.headers["X-Kind"] == "MISSING_AUTHENTICATION_TOKEN"
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


def test_a_preflight_of_a_rest_method_is_answered_by_its_mock(server: Server, rest_id: str) -> None:
    answer = server.http("OPTIONS", f"/restapis/{rest_id}/prod/_user_request_/orders/1")

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_cors_of_an_http_api(server: Server, pool: Pool, http_id: str) -> None:
    base = f"/_aws/execute-api/{http_id}/orders/1"
    origin = {"Origin": "https://app.example"}

    preflight = server.http("OPTIONS", base, headers={**origin, "Access-Control-Request-Method": "GET"})
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-methods"] == "GET"
    assert preflight.headers["access-control-max-age"] == "60"

    token = token_for(server, pool, http_id)
    answer = server.http("GET", base, headers={**origin, "Authorization": token})
    assert answer.headers["access-control-allow-origin"] == "https://app.example"


@pytest.mark.parametrize("path", ["/files/../orders/1", "/files/%2e%2e/orders/1", "/files/x%00", "/files/%zz"])
def test_what_has_two_readings_does_not_reach_the_web_service(server: Server, rest_id: str, path: str) -> None:
    """Attack G3."""
    host = f"{rest_id}.execute-api.{REGION}.amazonaws.com"

    first, _, _ = exchange(server, f"GET /prod{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert first.startswith("HTTP/1.1 400 ")


def test_a_body_goes_on_and_too_large_a_one_does_not(server: Server, rest_id: str) -> None:
    path = f"/restapis/{rest_id}/prod/_user_request_/files/x"

    answer = server.http("POST", path, data=b"hello")
    assert (answer.json()["method"], answer.json()["body"]) == ("POST", "hello")

    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10485761\r\n\r\n"
    first, _, body = exchange(server, head.encode())
    assert first.startswith("HTTP/1.1 413 ")
    assert body == b"HTTP content length exceeded 10485760 bytes."


def test_the_reason_is_in_a_header_for_the_developer_alone(server: Server, rest_id: str) -> None:
    path = f"/restapis/{rest_id}/prod/_user_request_/orders/1"

    assert server.http("GET", path).headers["x-scopegate-why"] == "no token in header Authorization"
    assert "x-scopegate-why" not in server.http("GET", path, headers={"Via": "1.1 proxy"}).headers
    assert "x-scopegate-why" not in server.http("GET", path, host="127.0.0.1.evil.example").headers


def test_an_unknown_api_is_forbidden(server: Server) -> None:
    answer = server.http("GET", "/prod/x", host=f"nothere000.execute-api.{REGION}.amazonaws.com")

    assert (answer.status_code, answer.text) == (403, '{"message":"Forbidden"}')
