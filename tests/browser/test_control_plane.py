"""A real browser on pages of other origins, of users' APIs and of a rebound name: none reads or changes anything.

Attack row U4; design, "Who may speak to which plane". Needs Chromium (`apt-get install chromium`).
"""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import chromium
from tests.operators import wait_until
from tests.server import Server, allow_gateway, make_function, make_pool

# What a page can try: [kind, method, path, headers, body, mode]. Each asks for something that would be seen.
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
)
SIGNED = {"X-Amz-Date": "20260101T000000Z"}

TRY_ALL = """
async ([base, attempts]) => {
  const seen = [];
  for (const [method, path, headers, body, mode] of attempts) {
    const request = {method, headers, mode, credentials: "include"};
    if (body !== null) request.body = body;
    try {
      const answer = await fetch(base + path, request);
      seen.push([answer.type, answer.status, await answer.text()]);
    } catch (error) {
      seen.push(["error", 0, String(error)]);
    }
  }
  return seen;
}
"""


@dataclass(frozen=True)
class Site:
    """A web site of somebody else, on this machine: any name of `*.localhost`, or one that was rebound."""

    port: int

    def url(self, host: str) -> str:
        return f"http://{host}:{self.port}/"


class BlankPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!doctype html><title>a page</title><p>hello"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), BlankPage)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield Site(service.server_port)
    service.shutdown()
    service.server_close()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A tab of Chromium for which evil.example and rebound.example are this machine, as after DNS rebinding."""
    with chromium(
        "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1",
        # Whether a page may speak to loopback at all is the browser's own question; here the server is asked.
        "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessRespectPreflightResults,"
        "BlockInsecurePrivateNetworkRequests",
    ) as browser:
        yield browser.new_page()


def attempts() -> list[list[Any]]:
    """Every way to ask that `fetch` knows."""
    idp = {"X-Amz-Target": "AWSCognitoIdentityProviderService.CreateUserPool"}
    found: list[list[Any]] = []
    for mode in ("cors", "no-cors", "same-origin"):
        found += [
            ["GET", "/_scopegate/api/overview", {}, None, mode],
            ["GET", "/restapis", {}, None, mode],
            ["GET", "/2015-03-31/functions", {}, None, mode],
            ["POST", "/", {"Content-Type": "text/plain"}, '{"PoolName":"evil"}', mode],
            [
                "POST",
                "/",
                {"Content-Type": "application/x-www-form-urlencoded"},
                "Action=ListRoles&Version=2010-05-08",
                mode,
            ],
            ["POST", "/v2/apis", {"Content-Type": "text/plain"}, '{"name":"evil","protocolType":"HTTP"}', mode],
            ["POST", "/restapis", {}, '{"name":"evil"}', mode],
            ["POST", "/_scopegate/api/stacks/evil", {}, '{"template":"{}","parameters":{}}', mode],
        ]
    for mode in ("cors", "same-origin"):
        for service, method, path, headers, body in (
            ("scopegate", "GET", "/_scopegate/api/overview", {}, None),
            ("cognito-idp", "POST", "/", idp, '{"PoolName":"evil"}'),
            ("apigateway", "POST", "/restapis", {}, '{"name":"evil"}'),
            ("lambda", "GET", "/2015-03-31/functions", {}, None),
            ("iam", "POST", "/?Action=ListRoles&Version=2010-05-08", {}, ""),
        ):
            signature = {"Authorization": AUTHORIZATION.format(service=service), **SIGNED}
            found.append([method, path, {**headers, **signature}, body, mode])
    return found


def things(server: Server) -> dict[str, set[str]]:
    """All that a page could have made, by name."""
    return {
        "pools": {pool["Name"] for pool in server.aws("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]},
        "rest": {api["name"] for api in server.aws("apigateway").get_rest_apis(limit=500)["items"]},
        "http": {api["Name"] for api in server.aws("apigatewayv2").get_apis(MaxResults="500")["Items"]},
        "roles": {role["RoleName"] for role in server.aws("iam").list_roles()["Roles"]},
    }


def refused(server: Server) -> int:
    """How many calls of the control plane were refused so far, by the access log."""
    lines = [json.loads(line) for line in (server.data_dir / "log" / "access.jsonl").read_text().splitlines()]
    return sum(1 for line in lines if line["path"] in ("/", "/restapis", "/v2/apis") and line["status"] in (400, 403))


def assert_nothing_was_read_or_changed(server: Server, seen: list[list[Any]], secret: str) -> None:
    """Opaque, an error, or the guard's refusal: 400 and 403 say why, and no more."""
    for kind, status, text in seen:
        assert kind in ("error", "opaque") or status in (400, 403, 404, 421), (kind, status, text)
        assert secret not in text
        assert "Functions" not in text
        assert "ListRolesResult" not in text
    assert "evil" not in set().union(*things(server).values())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "shop.localhost", "evil.example"])
def test_u4_a_page_of_another_origin_neither_reads_nor_changes_the_control_plane(
    server: Server, page: Page, site: Site, host: str
) -> None:
    """Another port of this machine is another origin; so is a name that leads here."""
    pool = make_pool(server, "browsed")
    page.goto(site.url(host))
    before = refused(server)

    for base in (f"http://localhost:{server.port}", f"http://127.0.0.1:{server.port}"):
        seen = page.evaluate(TRY_ALL, [base, attempts()])
        assert {kind for kind, *_ in seen} <= {"error", "opaque"}, seen
        assert_nothing_was_read_or_changed(server, seen, pool.pool_id)
    # It was the server that refused, not the browser that did not ask.
    wait_until(lambda: refused(server) >= before + 12)


@pytest.mark.parametrize("path", ["/_scopegate/health", "/restapis", "/"])
def test_u4_a_rebound_name_is_an_origin_without_rooms(server: Server, page: Page, path: str) -> None:
    """The page's own origin now *is* this server: nothing stops the browser, the Host header stops the request."""
    pool = make_pool(server, "rebound")
    page.goto(f"http://rebound.example:{server.port}{path}")

    seen = page.evaluate(TRY_ALL, ["", attempts()])

    assert {(kind, status) for kind, status, _ in seen} <= {("basic", 421)}, seen
    assert_nothing_was_read_or_changed(server, seen, pool.pool_id)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "scopegate.localhost"])
def test_u4_the_page_of_a_users_api_has_no_power_over_its_origin(server: Server, page: Page, host: str) -> None:
    """Path-form APIs are of one origin with the control plane; the console's origin serves none of their pages."""
    pool = make_pool(server, "served")
    source = (
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'content-type': 'text/html'}, 'body': '<p>mine'}\n"
    )
    function = make_function(server, f"page-{host.replace('.', '-')}", source)
    api_id = server.aws("apigatewayv2").create_api(
        Name="page", ProtocolType="HTTP", RouteKey="GET /page", Target=function
    )["ApiId"]
    allow_gateway(server, function, api_id)
    answer = page.goto(f"http://{host}:{server.port}/_aws/execute-api/{api_id}/page")
    assert answer is not None
    if host == "scopegate.localhost":
        assert answer.status == 403
    else:
        assert (answer.status, page.inner_text("p")) == (200, "mine")

    seen = page.evaluate(TRY_ALL, ["", attempts()])
    console = page.evaluate(TRY_ALL, [f"http://scopegate.localhost:{server.port}", attempts()])

    assert_nothing_was_read_or_changed(server, seen + console, pool.pool_id)


def test_u4_forms_images_and_links_change_nothing(server: Server, page: Page, site: Site) -> None:
    """What a page can send without any script's say: a form of each encoding, an image, a frame, a beacon."""
    base = f"http://localhost:{server.port}"
    encodings = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data")
    paths = ("/", "/restapis", "/v2/apis", "/_scopegate/api/stacks/evil")
    sent = [(encoding, path) for encoding in encodings for path in paths]
    forms = "".join(
        f'<form method=post enctype="{encoding}" action="{base}{path}" target=frame{index}>'
        '<input name=\'{"name":"evil","protocolType":"HTTP","a":"\' value=\'"}\'>'
        "<input name=Action value=CreateRole><input name=Version value=2010-05-08><input name=RoleName value=evil>"
        f"<input name=AssumeRolePolicyDocument value={{}}></form><iframe name=frame{index}></iframe>"
        for index, (encoding, path) in enumerate(sent)
    )
    page.goto(site.url("shop.localhost"))
    log = server.data_dir / "log/access.jsonl"
    before = log.stat().st_size
    page.set_content(f"{forms}<img src='{base}/?Action=CreateRole&RoleName=evil'>")

    def answered() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in log.read_bytes()[before:].rpartition(b"\n")[0].splitlines()]
        posts = [line for line in lines if line["method"] == "POST" and line["host"] == f"localhost:{server.port}"]
        return posts if len(posts) >= len(sent) else []

    page.evaluate("() => { for (const form of document.forms) form.submit() }")
    posts = wait_until(answered)
    assert sorted(post["path"] for post in posts) == sorted(path for _, path in sent)
    assert {post["status"] for post in posts} <= {400, 403}
    page.evaluate(
        "base => navigator.sendBeacon(base + '/restapis', new Blob(['{\"name\":\"evil\"}'], {type: 'text/plain'}))",
        base,
    )
    page.wait_for_load_state("networkidle")

    assert "evil" not in set().union(*things(server).values())


def test_u4_what_browsers_may_use_they_can(server: Server, page: Page, site: Site) -> None:
    """The counterpart: unsigned operations, discovery and keys are read by a page of another origin."""
    pool = make_pool(server, "open")
    page.goto(site.url("shop.localhost"))
    target = {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"}
    sign_in = json.dumps({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "a" * 26, "AuthParameters": {"USERNAME": "a"}})

    seen = page.evaluate(
        TRY_ALL.replace('credentials: "include"', 'credentials: "omit"'),
        [
            f"http://localhost:{server.port}",
            [
                ["GET", f"/{pool.pool_id}/.well-known/jwks.json", {}, None, "cors"],
                ["GET", f"/{pool.pool_id}/.well-known/openid-configuration", {}, None, "cors"],
                ["POST", "/", {**target, "Content-Type": "application/x-amz-json-1.1"}, sign_in, "cors"],
            ],
        ],
    )

    assert [(kind, status) for kind, status, _ in seen[:2]] == [("cors", 200)] * 2
    assert "keys" in json.loads(seen[0][2])
    assert seen[2][0] == "cors"
    assert seen[2][1] in (400, 501)


def test_the_browser_is_a_real_one(page: Page, tmp_path: Path) -> None:
    """Nothing above would prove anything in a client that sends no `Origin` and no `Sec-Fetch-Site`."""
    seen: list[dict[str, str]] = []

    class Listening(BlankPage):
        def do_POST(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(204)
            self.end_headers()

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listening)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    page.goto(f"http://localhost:{service.server_port}/")
    page.evaluate("fetch('/', {method: 'POST', body: 'x'})")
    service.shutdown()
    service.server_close()

    assert seen[0]["origin"] == f"http://localhost:{service.server_port}"
    assert seen[0]["sec-fetch-site"] == "same-origin"
