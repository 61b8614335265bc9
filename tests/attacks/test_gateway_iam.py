"""O25, U5, G19 on AWS_IAM methods: signatures altered, replayed, stolen or turned into another call."""

import pytest

from tests.operators import wait_until
from tests.server import Server, allow_gateway, make_function
from tests.signing import Signer, operator_of, session_of
from tests.wire.gateways import Answer, RestApi, call


@pytest.fixture(scope="module")
def api(server: Server) -> RestApi:
    rest = RestApi(server)
    arn = make_function(server, f"signed-{rest.id}")
    for verb in ("GET", "POST", "DELETE"):
        rest.function(verb, "/o", arn, authorizationType="AWS_IAM")
    rest.function("GET", "/other", arn, authorizationType="AWS_IAM")
    rest.deploy()
    rest.deploy("test")
    allow_gateway(server, f"signed-{rest.id}", rest.id)
    return rest


@pytest.fixture(scope="module")
def operator(server: Server, api: RestApi) -> Signer:
    key = operator_of(server)
    wait_until(lambda: send(api, key.headers("GET", api.host, "/prod/o")).status == 200)
    return key


def send(
    api: RestApi,
    headers: "dict[str, str] | list[tuple[str, str]]",
    method: str = "GET",
    target: str = "/prod/o",
    body: bytes = b"",
) -> Answer:
    return call(api.server, method, target, headers, body, host=api.host)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("DELETE", "/prod/o", b""),
        ("GET", "/prod/other", b""),
        ("GET", "/test/o", b""),
        ("GET", "/prod/o?a=1", b""),
        ("GET", "/prod/%6f", b""),
        ("GET", "/prod/o", b"x"),
    ],
)
def test_o25_a_signature_is_for_one_call(api: RestApi, operator: Signer, method: str, target: str, body: bytes) -> None:
    headers = operator.headers("GET", api.host, "/prod/o")

    assert send(api, headers, method, target, body).status == 403
    assert send(api, headers).status == 200


def test_o25_a_signature_is_for_one_host(api: RestApi, operator: Signer) -> None:
    headers = operator.headers("GET", api.host, "/prod/o")

    assert (
        call(api.server, "GET", "/prod/o", headers, host=api.host.replace("amazonaws.com", "localhost")).status == 403
    )


@pytest.mark.parametrize("name", ["X-Amz-Content-Sha256", "X-Amz-Meta-User", "x-amz-security-token"])
def test_o25_an_unsigned_amz_header_is_refused(api: RestApi, operator: Signer, name: str) -> None:
    headers = operator.headers("GET", api.host, "/prod/o")

    assert send(api, {**headers, name: "UNSIGNED-PAYLOAD"}).status == 403


def test_o25_an_unsigned_payload_is_refused(api: RestApi, operator: Signer) -> None:
    headers = operator.headers("POST", api.host, "/prod/o", b"a", {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})

    assert send(api, headers, "POST", body=b"a").status == 403


def test_o25_two_signatures_are_none(api: RestApi, operator: Signer) -> None:
    headers = operator.headers("GET", api.host, "/prod/o")
    presigned = operator.target("GET", api.host, "/prod/o")

    assert send(api, [*headers.items(), ("authorization", headers["Authorization"])]).status == 403
    assert send(api, headers, target=presigned).status == 403


def test_g19_an_overridden_method_has_to_be_signed(api: RestApi, operator: Signer) -> None:
    """Whoever overhears a POST must not make a DELETE of it."""
    override = {"X-HTTP-Method-Override": "DELETE"}
    overheard = operator.headers("POST", api.host, "/prod/o")
    meant = operator.headers("POST", api.host, "/prod/o", b"", override)

    assert send(api, {**overheard, **override}, "POST").status == 403
    answer = send(api, meant, "POST")
    assert (answer.status, answer.json["httpMethod"]) == (200, "DELETE")


def test_u5_a_session_without_its_token_is_nobody(server: Server, api: RestApi) -> None:
    session = session_of(server, f"attack-session-{api.id}")

    for who in (session.but(token=None), session.but(token="x" * 200), session.but(secret="wrong")):
        assert send(api, who.headers("GET", api.host, "/prod/o")).status == 403


def test_u5_a_session_without_a_right_is_denied(server: Server, api: RestApi) -> None:
    """A function's session may not call the APIs of its account because it runs here."""
    session = session_of(server, f"attack-rights-{api.id}")

    answer = send(api, session.headers("GET", api.host, "/prod/o"))

    assert (answer.status, answer.header("x-amzn-ErrorType")) == (403, "AccessDeniedException")


def test_o25_a_revoked_key_is_refused(server: Server, api: RestApi) -> None:
    """Attack G22: every process hears of it."""
    from tests.operators import scopegate

    key = operator_of(server)
    wait_until(lambda: send(api, key.headers("GET", api.host, "/prod/o")).status == 200)

    done = scopegate("keys", "revoke", key.key_id, "--data-dir", str(server.data_dir))

    assert done.returncode == 0, done.stderr
    wait_until(lambda: send(api, key.headers("GET", api.host, "/prod/o")).status == 403)


def test_g12_a_refusal_says_nothing_of_the_secret(server: Server, api: RestApi, operator: Signer) -> None:
    answer = send(api, operator.but(secret="wrong").headers("GET", api.host, "/prod/o"))

    log = (server.data_dir / "server.log").read_text()
    assert operator.secret.encode() not in answer.body
    assert operator.secret not in log
