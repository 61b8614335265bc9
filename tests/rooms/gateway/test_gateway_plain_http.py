"""HTTP integrations of REST APIs, which are no proxies: what is mapped goes on, what integration responses say comes
back."""

import asyncio
from typing import Any

import pytest

from scopegate.http.client import Client
from scopegate.http.egress import EgressPolicy
from tests.rooms.gateway.driver import Gateway
from tests.rooms.gateway.upstream import Put, Upstream, call_upstream, serving

TEAPOT = b"HTTP/1.1 418 Teapot\r\nContent-Type: text/plain\r\nX-Pot: tea\r\nContent-Length: 5\r\n\r\nshort"


def plain(responses: dict[str, Any] | None = None, declared: tuple[str, ...] = ("200",), **integration: Any) -> Put:
    """A REST API whose `ANY /r/{v}` goes to the service by an HTTP integration."""

    def put(gateway: Gateway, url: str) -> None:
        document = {
            "type": "HTTP",
            "httpMethod": "ANY",
            "uri": url + "/base",
            "integrationResponses": {"200": {"statusCode": "200"}} if responses is None else responses,
            **integration,
        }
        if "path" in integration:
            document["uri"] = url + document.pop("path")
        method = {
            "methodIntegration": document,
            "methodResponses": {status: {"statusCode": status} for status in declared},
        }
        gateway.put_rest({"/r/{v}": {"ANY": method}})

    return put


def test_nothing_of_a_call_goes_on_that_is_not_mapped() -> None:
    answer, upstream, _ = call_upstream(
        plain(), "GET", "/prod/r/1?q=1", {"X-Own": "mine", "Accept": "text/html", "Authorization": "secret"}
    )

    assert (answer.status, answer.body) == (200, b'{"ok":true}')
    assert upstream.target == "/base"
    assert upstream.header("accept") == "application/json"
    assert upstream.header("content-type") is None
    assert upstream.header("authorization") is None
    assert upstream.header("x-own") is None
    assert (upstream.header("user-agent") or "").startswith("AmazonAPIGateway_")
    assert upstream.header("x-amzn-apigateway-api-id") is not None


def test_a_body_goes_on_with_its_type() -> None:
    _, upstream, _ = call_upstream(plain(), "POST", "/prod/r/1", {"Content-Type": "text/csv"}, b"a,b")

    assert upstream.bodies == [b"a,b"]
    assert upstream.header("content-type") == "text/csv"


def test_what_is_mapped_arrives() -> None:
    parameters = {
        "integration.request.path.id": "method.request.path.v",
        "integration.request.querystring.q": "method.request.querystring.q",
        "integration.request.header.X-Token": "method.request.header.X-Own",
        "integration.request.header.Accept": "'text/csv'",
    }
    _, upstream, _ = call_upstream(
        plain(path="/items/{id}", requestParameters=parameters), "GET", "/prod/r/7?q=1&z=2", {"X-Own": "mine"}
    )

    assert upstream.target == "/items/7?q=1"
    assert upstream.header("x-token") == "mine"
    assert upstream.header("accept") == "text/csv"


def test_the_status_chooses_the_integration_response() -> None:
    responses = {
        "200": {"statusCode": "200"},
        "400": {
            "statusCode": "400",
            "selectionPattern": "4\\d\\d",
            "responseParameters": {
                "method.response.header.X-Kind": "integration.response.header.X-Pot",
                "method.response.header.Content-Type": "integration.response.header.Content-Type",
            },
        },
    }
    answer, _, _ = call_upstream(
        plain(responses, declared=("200", "400")), "GET", "/prod/r/1", upstream=Upstream(answer=TEAPOT)
    )

    assert (answer.status, answer.body) == (400, b"short")
    assert answer.header("x-kind") == "tea"
    assert answer.header("content-type") == "text/plain"
    assert answer.header("x-pot") is None
    assert answer.header("x-amzn-trace-id") is not None


def test_the_default_takes_every_other_status() -> None:
    answer, _, _ = call_upstream(plain(), "GET", "/prod/r/1", upstream=Upstream(answer=TEAPOT))

    assert (answer.status, answer.body) == (200, b"short")
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize(
    ("responses", "declared", "reason"),
    [
        ({"200": {"statusCode": "200", "selectionPattern": "200"}}, ("200",), "no integration response for status 418"),
        ({}, ("200",), "no integration response for status 418"),
        (None, ("201",), "the method declares no response 200"),
    ],
)
def test_an_answer_that_no_response_takes_is_a_500(
    responses: dict[str, Any] | None, declared: tuple[str, ...], reason: str
) -> None:
    answer, _, gateway = call_upstream(plain(responses, declared), "GET", "/prod/r/1", upstream=Upstream(answer=TEAPOT))

    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})
    assert reason in str(gateway.record.facts["failure"])


def test_a_long_answer_that_no_response_takes_leaves_no_connection() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 2_000_000

    async def run() -> None:
        async with serving(Upstream(answer=long)) as service, asyncio.timeout(10):
            client = Client(EgressPolicy(development=True))
            gateway = Gateway(client=client)
            plain({})(gateway, service.url)
            assert (await gateway.call_async("GET", "/prod/r/1")).status == 500
            while client.connections:
                await asyncio.sleep(0.01)
            await client.close()

    asyncio.run(run())


def test_a_static_template_replaces_the_body_also_of_a_long_answer() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    responses = {"200": {"statusCode": "200", "responseTemplates": {"application/json": '{"short": true}'}}}

    answer, _, _ = call_upstream(plain(responses), "GET", "/prod/r/1", upstream=Upstream(answer=long))

    assert (answer.status, answer.json) == (200, {"short": True})


def test_a_long_answer_without_a_template_goes_through() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000

    answer, _, _ = call_upstream(plain(), "GET", "/prod/r/1", upstream=Upstream(answer=long))

    assert (answer.status, len(answer.body)) == (200, 300_000)


@pytest.mark.parametrize(
    ("behavior", "content_type", "status", "sent"),
    [
        ("WHEN_NO_MATCH", "text/plain", 200, b"mine"),
        ("WHEN_NO_TEMPLATES", "text/plain", 415, None),
        ("NEVER", "text/plain", 415, None),
        ("NEVER", "application/json", 200, b'{"fixed": 1}'),
    ],
)
def test_passthrough_behavior(behavior: str, content_type: str, status: int, sent: bytes | None) -> None:
    put = plain(requestTemplates={"application/json": '{"fixed": 1}'}, passthroughBehavior=behavior)

    answer, upstream, _ = call_upstream(put, "POST", "/prod/r/1", {"Content-Type": content_type}, b"mine")

    assert answer.status == status
    assert upstream.bodies == ([] if sent is None else [sent])


def test_a_template_in_vtl_closes_the_route() -> None:
    put = plain(requestTemplates={"application/json": "$input.body"})

    answer, upstream, gateway = call_upstream(put, "POST", "/prod/r/1", {}, b"mine")

    assert (answer.status, upstream.lines) == (500, [])
    assert "VTL" in gateway.record.reason
