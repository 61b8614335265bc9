"""The importable ASGI application behind a real ASGI server, over HTTP/1.1 and HTTP/2."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.pages import Browser
from tests.server import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of Hypercorn with the application."""
    port, folder = free_port(), tmp_path_factory.mktemp("asgi")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SCOPEGATE_"))}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}", "tests.wire.asgi_app:app"],
            cwd=ROOT,
            env={**kept, "PORT": str(port)},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    with httpx.Client() as client:
        while True:
            try:
                if client.get(base + "/_scopegate/health").status_code == 200:
                    break
            except httpx.TransportError:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
    try:
        yield base
    finally:
        server.terminate()
        server.wait(40)


def test_the_flow_over_http_2(url: str) -> None:
    def aws(service: str) -> Any:
        return boto3.client(
            service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
        )

    idp, api = aws("cognito-idp"), aws("apigatewayv2")
    pool_id = idp.create_user_pool(PoolName="p")["UserPool"]["Id"]
    scope = {"ScopeName": "read", "ScopeDescription": "See"}
    idp.create_resource_server(UserPoolId=pool_id, Identifier="orders", Name="Orders", Scopes=[scope])
    client = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="job",
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["orders/read"],
    )["UserPoolClient"]
    api_id = api.create_api(Name="orders", ProtocolType="HTTP", Target=url + "/_scopegate/health")["ApiId"]
    issuer = f"https://cognito-idp.us-east-1.amazonaws.com/{pool_id}"
    authorizer_id = api.create_authorizer(
        ApiId=api_id,
        Name="pool",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Audience": [client["ClientId"]], "Issuer": issuer},
    )["AuthorizerId"]
    (integration,) = api.get_integrations(ApiId=api_id)["Items"]
    for verb, wanted in (("GET", "orders/read"), ("POST", "orders/write")):
        api.create_route(
            ApiId=api_id,
            RouteKey=f"{verb} /orders",
            Target=f"integrations/{integration['IntegrationId']}",
            AuthorizationType="JWT",
            AuthorizerId=authorizer_id,
            AuthorizationScopes=[wanted],
        )

    with httpx.Client(http1=False, http2=True, base_url=url) as http:
        granted = http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(client["ClientId"], client["ClientSecret"]),
        )
        assert (granted.http_version, granted.status_code) == ("HTTP/2", 200)
        token = {"Authorization": f"Bearer {granted.json()['access_token']}"}
        path = f"/_aws/execute-api/{api_id}/orders"
        assert http.get(path).status_code == 401
        assert http.post(path, headers=token).status_code == 403
        refused_name = http.get("/", headers={"Host": "evil.example"})
        assert refused_name.status_code == 421
        allowed = http.get(path, headers=token)
        # The upstream is this server's own port, which no integration may reach: allowed, and not answered.
        assert (allowed.status_code, allowed.json()) == (500, {"message": "Internal Server Error"})
        assert allowed.headers["apigw-requestid"]


def test_a_person_signs_in_over_http_2(url: str) -> None:
    """Pages, forms, several cookies and redirects, through an ASGI server."""
    idp = boto3.client(
        "cognito-idp", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    pool_id = idp.create_user_pool(PoolName="p")["UserPool"]["Id"]
    client = idp.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="web",
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid"],
        CallbackURLs=["https://app.example/cb"],
    )["UserPoolClient"]
    idp.admin_create_user(UserPoolId=pool_id, Username="ada", MessageAction="SUPPRESS")
    idp.admin_set_user_password(UserPoolId=pool_id, Username="ada", Password="Correct-Horse-9", Permanent=True)
    query = {"response_type": "code", "client_id": client["ClientId"], "redirect_uri": "https://app.example/cb"}

    with httpx.Client(http1=False, http2=True, base_url=url) as http:

        def send(
            method: str, target: str, headers: list[tuple[str, str]], body: bytes
        ) -> tuple[int, list[tuple[str, str]], bytes]:
            answer = http.request(method, target, headers=headers, content=body)
            http.cookies.clear()  # the browser of this test keeps them
            return answer.status_code, answer.headers.multi_items(), answer.content

        browser = Browser(send)
        back = browser.get("/oauth2/authorize", query).submit(username="ada", password="Correct-Horse-9")
        again = browser.get("/oauth2/authorize", {**query, "prompt": "none"})

    assert back.location.startswith("https://app.example/cb?code=")
    assert again.query["code"] != back.query["code"]
