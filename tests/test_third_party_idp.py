"""examples/third-party-idp against a real OpenID provider (`oidc-provider`): tokens that it signed, and forgeries.

Held for both authorizers, Python's behind a REST API and Node.js's behind an HTTP API. Attack rows J1 to J6, J10, J12,
J14, G1, G10, G11 as far as they are an authorizer's.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK

from scopegate.jose.keys import render_jwks, verify_key
from tests.node import bin_directory
from tests.rooms.jose.issuer import b64, rsa_key, token
from tests.server import Server, free_port, start, token_part
from tests.test_examples import EXAMPLES, Example
from tests.wire.gateways import serving_web
from tests.wire.test_gateway_issuers import Issuer

pytestmark = pytest.mark.xdist_group("third-party-idp")

AUDIENCE = "https://orders.example"
BRIEF = "https://brief.example"  # the same audience; the token lives 5 seconds
DENIED = {"rest": {"Message": "User is not authorized to access this resource"}, "http": {"message": "Forbidden"}}
ALLOWED = {"orders": [{"id": 1, "item": "coffee"}], "for": "job"}


class Provider:
    """A running OpenID provider of somebody else's."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.issuer: str = self._told()["issuer"]

    def _told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def say(self, line: str) -> int:
        """How often its keys were asked for."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        asked: int = self._told()["askedForKeys"]
        return asked

    def keys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(f"{self.issuer}/jwks", timeout=10).json()["keys"]
        return found

    def token(self, scope: str = "orders/read", resource: str = AUDIENCE) -> str:
        """An access token of its machine client."""
        form = {"grant_type": "client_credentials", "resource": resource, **({"scope": scope} if scope else {})}
        answer = requests.post(f"{self.issuer}/token", data=form, auth=("job", "secret"), timeout=10)
        assert answer.status_code == 200, answer.text
        issued: str = answer.json()["access_token"]
        return issued


def begin_provider() -> Provider:
    node = Path(__file__).parent / "wire" / "node"
    assert (node / "node_modules" / "oidc-provider").is_dir(), "make test-setup installs it"
    process = subprocess.Popen(
        [bin_directory() / "node", "--no-warnings", "provider.mjs"],
        cwd=node,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return Provider(process)


def end_provider(provider: Provider) -> None:
    provider.process.kill()
    provider.process.communicate()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = begin_provider()
    yield running
    end_provider(running)


@pytest.fixture(scope="module")
def stranger() -> Iterator[Provider]:
    """A provider that the example does not trust."""
    running = begin_provider()
    yield running
    end_provider(running)


@pytest.fixture(scope="module")
def example(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    file = EXAMPLES / "third-party-idp" / "template.yaml"
    path = f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"
    arguments = ("up", str(file), "--ephemeral", "--param", f"Issuer={provider.issuer}")
    server = start(arguments, tmp_path_factory.mktemp("third-party-idp"), {"PATH": path})
    try:
        yield Example(server)
    finally:
        server.kill()


class Api:
    """One of the example's two APIs."""

    def __init__(self, kind: str, server: Server, url: str) -> None:
        self.kind = kind
        self.server = server
        self.host, _, stage = url.removeprefix("https://").partition("/")
        self.base = f"/{stage}" if stage else ""

    def call(self, token: str | None, method: str = "GET", path: str = "/orders") -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = self.server.http(method, self.base + path, host=self.host, headers=headers)
        return answer.status_code, answer.json()

    def allows(self, token: str) -> bool:
        status, body = self.call(token)
        assert (status, body) == (401, {"message": "Unauthorized"}) or status == 200, body
        return status == 200


@pytest.fixture(params=["rest", "http"])
def api(request: pytest.FixtureRequest, example: Example) -> Api:
    return Api(request.param, example.server, example.outputs[f"{request.param.capitalize()}Url"])


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.2)


def test_scopes_of_the_providers_tokens_decide(api: Api, provider: Provider) -> None:
    reader, writer, both = (
        provider.token(scope) for scope in ("orders/read", "orders/write", "orders/read orders/write")
    )

    assert api.call(reader) == (200, {**ALLOWED, "scope": "orders/read"})
    assert api.call(reader, path="/orders/1")[0] == 200
    assert api.call(reader, "POST") == (403, DENIED[api.kind])
    assert api.call(writer) == (403, DENIED[api.kind])
    assert api.call(writer, "POST") == (200, {**ALLOWED, "scope": "orders/write"})
    assert (api.call(both)[0], api.call(both, "POST")[0]) == (200, 200)


def test_a_token_without_scopes_allows_nothing(api: Api, provider: Provider) -> None:
    assert api.call(provider.token(""))[0] == 403


def test_no_token_is_refused_unasked(api: Api) -> None:
    assert api.call(None) == (401, {"message": "Unauthorized"})


def test_tokens_for_another_audience_are_refused(api: Api, provider: Provider) -> None:
    assert not api.allows(provider.token(resource="https://other.example"))


def test_tokens_of_another_provider_are_refused(api: Api, stranger: Provider) -> None:
    assert not api.allows(stranger.token())


def test_tokens_end_when_they_say(api: Api, provider: Provider) -> None:
    """Also those that were good a moment ago: no answer of the authorizer is remembered beyond them."""
    assert api.allows(provider.token())
    brief = provider.token(resource=BRIEF)
    assert api.allows(brief)

    wait_for(lambda: time.time() > token_part(brief, 1)["exp"])

    assert not api.allows(brief)


def _forgeries(provider: Provider) -> dict[str, str]:
    """Tokens that the provider did not sign, by what is wrong with them."""
    good = provider.token()
    head, body, signature = good.split(".")
    header, claims = token_part(good, 0), token_part(good, 1)
    (public,) = provider.keys()
    key = PyJWK.from_dict(public).key
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = json.loads(PyJWK.from_dict({**public}).Algorithm.to_jwk(rsa_key().public_key()))

    def part(document: dict[str, Any]) -> str:
        return b64(json.dumps(document).encode()).decode()

    def mac(secret: bytes) -> str:
        signed = f"{part({**header, 'alg': 'HS256'})}.{body}"
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256)).decode()}"

    def mine(document: dict[str, Any], **more: Any) -> str:
        return token(document, {**header, **more}, key=rsa_key()).decode()

    flipped = bytearray(base64.urlsafe_b64decode(signature + "=="))
    flipped[0] ^= 1
    return {
        "signature flipped": f"{head}.{body}.{b64(bytes(flipped)).decode()}",
        "signature absent": f"{head}.{body}.",
        "claims changed": f"{head}.{part({**claims, 'scope': 'orders/write'})}.{signature}",
        "alg none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "alg None": f"{part({**header, 'alg': 'None'})}.{body}.{signature}",
        "HS256 with the public key as PEM": mac(pem),
        "HS256 with the public key as DER": mac(der),
        "HS256 with the public key as JWK": mac(json.dumps(public).encode()),
        "HS256 with the modulus": mac(public["n"].encode()),
        "another key under the provider's kid": mine(claims),
        "another key, unknown kid": mine(claims, kid="mine"),
        "another key in the header": mine(claims, jwk=own),
        "another key by address": mine(claims, jku="http://127.0.0.1:9/jwks"),
        "no kid": mine(claims, kid=None),
        "kid of another type": mine(claims, kid=["a"]),
        "alg of another type": f"{part({**header, 'alg': ['RS256']})}.{body}.{signature}",
        "critical extension": f"{part({**header, 'crit': ['b64'], 'b64': False})}.{body}.{signature}",
        "header no object": f"{b64(b'[]').decode()}.{body}.{signature}",
        "claims no JSON": f"{head}.{b64(b'x').decode()}.{signature}",
        "three words": "a.b.c",
    }


def test_forged_tokens_are_refused(api: Api, provider: Provider) -> None:
    """Each is one fault away from a good token, which is allowed before and after."""
    assert api.allows(provider.token())
    allowed = [name for name, forged in _forgeries(provider).items() if api.allows(forged)]

    assert allowed == []
    assert api.allows(provider.token())


def test_unknown_keys_do_not_make_it_ask_the_provider_each_time(api: Api, provider: Provider) -> None:
    assert api.allows(provider.token())
    claims = token_part(provider.token(), 1)
    before, started = provider.say("asked"), time.monotonic()

    for number in range(30):
        assert not api.allows(token(claims, {"alg": "RS256", "kid": f"k{number}"}, key=rsa_key()).decode())

    # Once in five seconds and environment, and one environment serves calls that come one by one.
    assert provider.say("asked") - before <= 2 + (time.monotonic() - started) / 5


def test_the_providers_keys_turn(api: Api, provider: Provider) -> None:
    """A token of the new key is taken after a pause; one of the old key is not, once the new keys are known."""
    old = provider.token()
    wait_for(lambda: api.allows(old))
    provider.say("turn")
    new = provider.token()
    assert token_part(new, 0)["kid"] != token_part(old, 0)["kid"]

    wait_for(lambda: api.allows(new))

    assert not api.allows(old)


@pytest.mark.parametrize("issuer", ["http://127.0.0.1:9", "{}/"], ids=["nobody answers", "another spelling"])
def test_without_the_providers_keys_nothing_is_allowed(api: Api, provider: Provider, issuer: str) -> None:
    """Attack G10: it fails closed. A provider that calls itself otherwise is another one."""
    with trusting(api, issuer.format(provider.issuer), provider.issuer):
        refused = api.call(provider.token())

    assert refused[0] == 500
    assert api.allows(provider.token())


def test_keys_that_are_for_something_else_are_passed_over(api: Api, provider: Provider) -> None:
    """Providers publish keys of encryption, and of curves that are not known here, beside those of signatures."""
    with ExitStack() as stack:
        issuer = Issuer(stack.enter_context(serving_web()), "odd")
        document = json.loads(render_jwks([verify_key("key-0", rsa_key(0).public_key())]))
        (good,) = document["keys"]
        for_encryption = {name: value for name, value in good.items() if name != "use"} | {"alg": "RSA-OAEP-256"}
        broken = [{"kty": "RSA", "alg": "RS256"}, {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "new"}]
        odd = [{**key, "kid": f"odd-{number}"} for number, key in enumerate([for_encryption, *broken])]
        issuer.answer(issuer.jwks, {"keys": [*odd, good]})
        stack.enter_context(trusting(api, issuer.url, provider.issuer))

        assert api.call(issuer.token(aud=AUDIENCE, scope="orders/read"))[0] == 200
        assert not api.allows(issuer.token(aud=AUDIENCE, scope="orders/read", kid="odd-0"))


@contextmanager
def trusting(api: Api, issuer: str, before: str) -> Iterator[None]:
    """The authorizer of an API trusts another provider."""
    lambda_ = api.server.aws("lambda")
    word = {"rest": "PythonAuthorizer", "http": "NodeAuthorizer"}[api.kind]
    names = [function["FunctionName"] for function in lambda_.list_functions()["Functions"]]
    (name,) = [name for name in names if word in name]

    def configure(url: str) -> None:
        variables = {"ISSUER": url, "AUDIENCE": AUDIENCE}
        lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": variables})

    configure(issuer)
    try:
        yield
    finally:
        configure(before)


def test_the_walk_through(example: Example, provider: Provider, tmp_path: Path) -> None:
    """Its calls as they stand, with the provider that the example brings; only addresses are others."""
    calls = re.findall(r"```sh\n(.*?)```", (EXAMPLES.parent / "docs" / "third-party-idp.md").read_text(), re.DOTALL)[-1]
    port = free_port()
    shutil.copy(EXAMPLES / "third-party-idp" / "provider" / "provider.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(Path(__file__).parent / "wire" / "node" / "node_modules")
    api = Api("rest", example.server, example.outputs["RestUrl"])
    replaced = {
        "http://localhost:9000": f"http://localhost:{port}",
        "http://localhost:4566": example.server.url,
        "/API/": f"/{api.host.partition('.')[0]}/",
    }
    for written, here in replaced.items():
        calls = calls.replace(written, here)

    with subprocess.Popen(
        [bin_directory() / "node", "--no-warnings", "provider.mjs"],
        cwd=tmp_path,
        env={"PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"OpenID provider at http://localhost:{port}\n"
        with trusting(api, f"http://localhost:{port}", provider.issuer):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", calls], capture_output=True, text=True, timeout=60, check=False
            )
        process.kill()

    assert re.findall(r"HTTP/1.1 (\d+)", done.stdout) == ["200", "403", "401"], done.stderr
