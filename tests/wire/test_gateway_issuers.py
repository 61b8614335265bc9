"""JWT authorizers of foreign issuers: discovery and JWKS over real HTTP, held in memory, refused when not to be had.

Source: reference, "HTTP: JWT authorizer"; design, "The gateway's decision"; attack rows G10, G11, J5.
"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scopegate.jose.keys import render_jwks, verify_key
from tests.rooms.jose.issuer import rsa_key, token
from tests.server import Server, make_pool, token_part
from tests.wire.gateways import Answer, HttpApi, Script, Web, serving_web

pytestmark = pytest.mark.xdist_group("gateway-issuers")
SCOPED = {"AuthorizationScopes": ["orders/read"]}


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """The web service behind the APIs."""
    with serving_web() as service:
        yield service


@pytest.fixture(scope="module")
def world() -> Iterator[Web]:
    """Where the issuers live: each under a path of its own."""
    with serving_web() as service:
        yield service


def json_answer(document: Any) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Issuer:
    """An identity provider. Its keys are numbers of `rsa_key`, published as `key-<number>`."""

    def __init__(self, world: Web, name: str, *, keys: tuple[int, ...] = (0,), says: str | None = None) -> None:
        self.world = world
        self.url = f"{world.url}/{name}"
        self._base = "/" + name.rstrip("/")
        self.discovery = f"{self._base}/.well-known/openid-configuration"
        self.jwks = f"{self._base}/keys"
        self.answer(self.discovery, {"issuer": says or self.url, "jwks_uri": f"{world.url}{self.jwks}"})
        self.publish(*keys)

    def answer(self, path: str, document: Any) -> None:
        self.world.answers[path] = document if callable(document) else json_answer(document)

    def publish(self, *keys: int, **more: Any) -> None:
        document = json.loads(render_jwks([verify_key(f"key-{key}", rsa_key(key).public_key()) for key in keys]))
        document["keys"] = [{**key, **more} for key in document["keys"]]
        self.answer(self.jwks, document)

    def fetched(self) -> tuple[int, int]:
        """How often discovery and keys were asked for."""
        targets = [seen.target for seen in self.world.seen]
        return targets.count(self.discovery), targets.count(self.jwks)

    def token(self, key: int = 0, *, kid: str | None = None, alg: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        payload = {"iss": self.url, "sub": "ada", "aud": "app", "exp": now + 600, "iat": now, **claims}
        payload = {name: value for name, value in payload.items() if value is not None}
        header = {"kid": kid or f"key-{key}", "alg": alg, "typ": "JWT"}
        return token(payload, header, key=rsa_key(key), alg=alg if alg in ("RS384", "RS512") else "RS256").decode()


def api_for(server: Server, web: Web, issuer: str, **route: Any) -> HttpApi:
    api = HttpApi(server)
    api.web("GET /x", web.url, **api.jwt(issuer, "app", "other-app"), **route)
    return api


def ask(api: HttpApi, token: str) -> Answer:
    return api.call("GET", "/x", {"Authorization": f"Bearer {token}"})


def description(answer: Answer) -> str:
    """What the challenge of a 401 says."""
    assert answer.status == 401
    return (answer.header("www-authenticate") or "").partition('error_description="')[2].rstrip('"')


def test_keys_are_fetched_once_whoever_asks(server: Server, world: Web, web: Web) -> None:
    """Single flight: the first calls come all at once."""
    issuer = Issuer(world, "once")
    world.answers[issuer.discovery] = slowly(world.answers[issuer.discovery], 0.2)
    api, other = api_for(server, web, issuer.url), api_for(server, web, issuer.url)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: ask(one, issuer.token()).status, [api, other] * 6))

    assert answers == [200] * 12
    assert [ask(one, issuer.token()).status for one in (api, other)] == [200, 200]
    assert issuer.fetched() == (1, 1)


def slowly(answer: bytes | Script, seconds: float) -> Script:
    assert isinstance(answer, bytes)

    def script(connection: Any, _: Any) -> None:
        time.sleep(seconds)
        connection.sendall(answer)

    return script


def test_what_a_foreign_token_must_say(server: Server, world: Web, web: Web) -> None:
    """`aud` before `client_id`, text or list; `iss` to the letter; times as whole seconds."""
    issuer = Issuer(world, "claims")
    api = api_for(server, web, issuer.url)
    now = int(time.time())
    audience = "the token does not have a valid audience"

    for claims, expected in (
        ({}, None),
        ({"aud": "other-app"}, None),
        ({"aud": ["x", "app"]}, None),
        ({"aud": None, "client_id": "app"}, None),
        ({"aud": "x", "client_id": "app"}, audience),
        ({"aud": ["x"], "azp": "app"}, audience),
        ({"aud": None, "azp": "app"}, audience),
        ({"aud": "app "}, audience),
        ({"iss": issuer.url + "/"}, "issuer does not match"),
        ({"iss": issuer.url.replace("127.0.0.1", "localhost")}, "issuer does not match"),
        ({"iss": [issuer.url]}, "issuer does not match"),
        ({"iss": None}, "issuer does not match"),
        ({"exp": now - 1}, "the token has expired"),
        ({"exp": str(now + 60)}, "token has invalid claims"),
        ({"exp": None}, "token has invalid claims"),
        ({"nbf": now + 60}, "token is not valid yet"),
        ({"iat": now + 60}, "token used before issued"),
        ({"nbf": now - 1, "iat": None}, None),
    ):
        answer = ask(api, issuer.token(**claims))
        if expected is None:
            assert answer.status == 200, claims
        else:
            assert description(answer) == expected, claims
    assert issuer.fetched() == (1, 1)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "a orders/read"}, 200),
        ({"scope": ["a", "orders/read"]}, 200),
        ({"scp": "orders/read"}, 200),
        ({"scp": ["orders/read"]}, 200),
        ({"scp": ["a"], "scope": "orders/read"}, 200),
        ({"scope": "orders/reader"}, 403),
        ({"scope": "a,orders/read"}, 403),
        ({"scp": [["orders/read"]]}, 403),
        ({"scopes": "orders/read", "permissions": ["orders/read"]}, 403),
        ({"scope": {"orders/read": True}}, 403),
        ({}, 403),
    ],
)
def test_scopes_are_in_scope_or_scp(server: Server, world: Web, web: Web, claims: dict[str, Any], status: int) -> None:
    issuer = Issuer(world, "scopes")
    api = api_for(server, web, issuer.url, **SCOPED)

    answer = ask(api, issuer.token(**claims))

    assert answer.status == status
    if status == 403:
        assert answer.header("www-authenticate") == (
            'Bearer scope="orders/read" error="insufficient_scope" error_description="expected scopes: [orders/read]"'
        )


def test_algorithms_are_rsas_and_the_keys(server: Server, world: Web, web: Web) -> None:
    issuer = Issuer(world, "algorithms")
    document = json.loads(render_jwks([verify_key("key-0", rsa_key(0).public_key())]))
    key = {name: value for name, value in document["keys"][0].items() if name not in ("alg", "use")}
    others = [
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "ec", "alg": "ES256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "mac", "alg": "HS256"},
        {**key, "kid": "encrypts", "use": "enc"},
        {**key, "kid": "short", "n": key["n"][:170]},
        {**key, "kid": "fixed", "alg": "RS512"},
        "nonsense",
    ]
    issuer.answer(issuer.jwks, {"keys": [key, *others]})
    api = api_for(server, web, issuer.url)

    for alg in ("RS256", "RS384", "RS512"):
        assert ask(api, issuer.token(alg=alg)).status == 200, alg
    assert ask(api, issuer.token(kid="fixed", alg="RS512")).status == 200
    for kid, alg, expected in (
        ("key-0", "ES256", "signing method ES256 is invalid"),
        ("key-0", "HS256", "signing method HS256 is invalid"),
        ("key-0", "none", "signing method none is invalid"),
        ("key-0", "PS256", "signing method PS256 is invalid"),
        ("fixed", "RS256", "signing method RS256 is invalid"),
        ("ec", "RS256", "signing key not found"),
        ("mac", "RS256", "signing key not found"),
        ("encrypts", "RS256", "signing key not found"),
        ("short", "RS256", "signing key not found"),
    ):
        assert description(ask(api, issuer.token(kid=kid, alg=alg))) == expected, (kid, alg)
    assert description(ask(api, issuer.token(1, kid="key-0"))) == "token signature is invalid"


def test_an_issuer_that_ends_in_a_slash_is_itself(server: Server, world: Web, web: Web) -> None:
    """As Auth0's does: the authorizer, the document and the token say it the same way."""
    issuer = Issuer(world, "slash/")
    api = api_for(server, web, issuer.url)

    assert ask(api, issuer.token()).status == 200
    assert description(ask(api, issuer.token(iss=issuer.url.rstrip("/")))) == "issuer does not match"


def test_j5_nothing_is_fetched_for_a_token_that_cannot_be_the_issuers(server: Server, world: Web, web: Web) -> None:
    """No address in a token is ever asked."""
    issuer, stranger = Issuer(world, "quiet"), Issuer(world, "stranger")
    api = api_for(server, web, issuer.url)
    named = token(
        {"iss": stranger.url, "aud": "app", "exp": int(time.time()) + 60},
        {"alg": "RS256", "kid": "key-0", "jku": f"{world.url}/jku", "x5u": f"{world.url}/x5u"},
        key=rsa_key(0),
    ).decode()

    for bad in (stranger.token(), named, "a.b.c", "nonsense", issuer.token() + ".x"):
        assert ask(api, bad).status == 401

    assert issuer.fetched() == stranger.fetched() == (0, 0)
    assert not {"/jku", "/x5u"} & {seen.target for seen in world.seen}


DISCOVERY = "OIDC discovery endpoint communication error"
KEYS = "JWKS communication error"


def broken_issuers(world: Web) -> dict[str, tuple[str, str]]:
    """name → (issuer URL, what is said) of issuers whose keys cannot be had, each in its own way."""
    out: dict[str, tuple[str, str]] = {}

    def put(name: str, said: str, discovery: Any = None, jwks: Any = None, says: str | None = None) -> None:
        issuer = Issuer(world, name, says=says)
        if discovery is not None:
            world.answers[issuer.discovery] = discovery if isinstance(discovery, bytes) else json_answer(discovery)
        if jwks is not None:
            world.answers[issuer.jwks] = jwks if isinstance(jwks, bytes) else json_answer(jwks)
        out[name] = issuer.url, said

    error = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    missing = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    moved = f"HTTP/1.1 302 Found\r\nLocation: {world.url}/once/keys\r\nContent-Length: 0\r\n\r\n".encode()
    put("d500", DISCOVERY, error)
    put("d404", DISCOVERY, missing)
    put("d302", DISCOVERY, moved)
    put("dtext", DISCOVERY, json_answer(b"<html>"))
    put("dlist", DISCOVERY, [])
    put("dother", DISCOVERY, says=f"{world.url}/someone-else")
    put("dnone", DISCOVERY, {"jwks_uri": f"{world.url}/once/keys"})
    put("dnokeys", DISCOVERY, {"issuer": f"{world.url}/dnokeys"})
    put("dfile", DISCOVERY, {"issuer": f"{world.url}/dfile", "jwks_uri": "file:///etc/passwd"})
    put("dmetadata", KEYS, {"issuer": f"{world.url}/dmetadata", "jwks_uri": "http://169.254.169.254/keys"})
    put("k500", KEYS, jwks=error)
    put("k302", KEYS, jwks=moved)
    put("ktext", KEYS, jwks=json_answer(b"keys"))
    put("kshape", KEYS, jwks={"keys": "none"})
    put("klarge", KEYS, jwks={"keys": [], "padding": "x" * 150_000})
    out["refused"] = "http://127.0.0.1:1024/refused", DISCOVERY
    out["nameless"] = "https://issuer.invalid/x", DISCOVERY
    out["metadata"] = "https://169.254.169.254/x", DISCOVERY
    return out


def test_g10_an_issuer_whose_keys_cannot_be_had_admits_nobody(server: Server, world: Web, web: Web) -> None:
    """Accepted when it is made (a divergence), refused at every call, and asked once for all calls of ten seconds."""
    issuers = broken_issuers(world)
    slow_discovery, slow_keys = Issuer(world, "dslow"), Issuer(world, "kslow")
    world.answers[slow_discovery.discovery] = slowly(world.answers[slow_discovery.discovery], 2)
    world.answers[slow_keys.jwks] = slowly(world.answers[slow_keys.jwks], 2)
    issuers |= {"dslow": (slow_discovery.url, DISCOVERY), "kslow": (slow_keys.url, KEYS)}
    api = HttpApi(server, stage=None)
    for name, (url, _) in issuers.items():
        api.web(f"GET /{name}", web.url, **api.jwt(url, "app", name=name))
    api.stage("$default")
    template = Issuer(world, "template")

    def refused(name: str) -> str:
        bearer = {"Authorization": template.token(iss=issuers[name][0])}
        return description(api.call("GET", f"/{name}", bearer))

    before = len(web.seen)
    for _ in range(2):
        with ThreadPoolExecutor(len(issuers)) as pool:
            said = dict(zip(issuers, pool.map(refused, issuers), strict=True))
        assert said == {name: text for name, (_, text) in issuers.items()}
    assert len(web.seen) == before
    asked = [seen.target for seen in world.seen]
    assert all(asked.count(f"/{name}/.well-known/openid-configuration") <= 1 for name in issuers)


def test_g11_new_keys_are_found_and_a_flood_of_unknown_kids_asks_once(server: Server, world: Web, web: Web) -> None:
    """An issuer that rotates, one that comes up late, one that goes away: what ten seconds change, and what not."""
    rotating, late, leaving = (Issuer(world, name) for name in ("rotating", "late", "leaving"))
    apis = {issuer: api_for(server, web, issuer.url) for issuer in (rotating, late, leaving)}
    document = world.answers[late.discovery]
    world.answers[late.discovery] = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    begun = time.monotonic()
    assert ask(apis[rotating], rotating.token()).status == 200
    assert description(ask(apis[late], late.token())) == DISCOVERY
    assert ask(apis[leaving], leaving.token()).status == 200

    rotating.publish(1, 2)
    world.answers[late.discovery] = document
    world.answers[leaving.discovery] = world.answers[leaving.jwks] = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
    for number in range(50):
        assert description(ask(apis[rotating], rotating.token(kid=f"random-{number}"))) == "signing key not found"
    assert rotating.fetched() == (1, 1), "the last fetch was a moment ago"
    assert late.fetched() == (1, 0)

    while (status := ask(apis[rotating], rotating.token(1)).status) != 200 and time.monotonic() - begun < 20:
        time.sleep(0.25)
    assert status == 200
    assert time.monotonic() - begun > 9
    assert rotating.fetched() == (2, 2)
    assert ask(apis[rotating], rotating.token(2)).status == 200
    assert description(ask(apis[rotating], rotating.token(0))) == "signing key not found", (
        "it is not published any more"
    )
    assert ask(apis[late], late.token()).status == 200
    for number in range(20):
        assert ask(apis[rotating], rotating.token(kid=f"random-{number}")).status == 401
        ask(apis[leaving], leaving.token(kid=f"random-{number}"))
    assert rotating.fetched() == (2, 2)
    assert leaving.fetched() == (2, 1), "asked again once, for a kid that it has not"
    assert ask(apis[leaving], leaving.token()).status == 200, "the last good keys are kept"


def test_a_pool_is_known_by_every_spelling_of_its_issuer(
    start_server: Callable[..., Server], unused_port: int, web: Web
) -> None:
    """With `--issuer-url` tokens name this server; templates that spell Amazon's issuer go on working, offline."""
    url = f"http://localhost:{unused_port}"
    server = start_server("serve", "--dev", "--port", str(unused_port), "--issuer-url", url)
    pool, other = make_pool(server), make_pool(server, "other")
    client = pool.client()
    token_ = server.token(client).json()["access_token"]
    api = HttpApi(server)
    for name, issuer in (("own", f"{url}/{pool.pool_id}"), ("amazon", pool.issuer), ("other", other.issuer)):
        api.web(f"GET /{name}", web.url, **api.jwt(issuer, client["ClientId"], name=name))

    bearer = {"Authorization": token_}
    assert token_part(token_, 1)["iss"] == f"{url}/{pool.pool_id}"
    assert [api.call("GET", path, bearer).status for path in ("/own", "/amazon", "/other")] == [200, 200, 401]
    with pytest.raises(ClientError, match="Invalid issuer"):
        api.jwt(f"{url}/us-east-1_Nowhere00", "a", name="nowhere")
