"""Decision records, the access log, the one extra header; and that no secret is in any of them.

Source: design, "Explain"; attack rows G12, O14.
"""

import contextlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from botocore.exceptions import ClientError

from tests.operators import Production, create_key, family, scopegate, wait_until
from tests.server import Server, allow_gateway, make_function, make_pool, start

LATER = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via")


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With two edges: whichever answers, the record is found. `server` is the same in one process."""
    flags = ("--workers", "2", "--public-host", "gateway.example")
    running = start(("serve", "--dev", *flags), tmp_path_factory.mktemp("explain"))
    yield running
    assert running.stop() == 0


def rest_api(aws: Callable[[str], Any], pool_arn: str, function_arn: str) -> str:
    """The path of a REST API's `GET /orders`, which wants orders/read and calls a function."""
    api = aws("apigateway")
    made = api.create_rest_api(name="orders")
    api_id = made["id"]
    authorizer = api.create_authorizer(
        restApiId=api_id,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[pool_arn],
        identitySource="method.request.header.Authorization",
    )["id"]
    resource = api.create_resource(restApiId=api_id, parentId=made["rootResourceId"], pathPart="orders")["id"]
    where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "GET"}
    api.put_method(
        **where,
        authorizationType="COGNITO_USER_POOLS",
        authorizerId=authorizer,
        authorizationScopes=["orders/read"],
    )
    api.put_integration(
        **where,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function_arn}/invocations",
    )
    aws("lambda").add_permission(
        FunctionName=function_arn,
        StatementId=api_id,
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:000000000000:{api_id}/*",
    )
    api.create_deployment(restApiId=api_id, stageName="prod")
    return f"/_aws/execute-api/{api_id}/prod/orders"


def explain(server: Server, request_id: str) -> str:
    done = scopegate("explain", request_id, "--endpoint", server.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def steps(shown: str) -> list[int]:
    return [int(number) for number in re.findall(r"^ +(\d+) \S.* ms$", shown, re.MULTILINE)]


def test_the_ten_steps_of_an_allowed_call(development: Server) -> None:
    """From whichever edge; the token that was used stands first, linked by its jti."""
    pool = make_pool(development)
    path = rest_api(development.aws, pool.arn, make_function(development, "ten-steps"))
    issued = development.token(pool.client())

    answers = [
        development.http("GET", path, headers={"Authorization": issued.json()["access_token"]}) for _ in range(4)
    ]

    assert [answer.status_code for answer in answers] == [200] * 4
    for answer in answers:
        shown = explain(development, answer.headers["x-amzn-RequestId"])
        assert steps(shown) == list(range(1, 11))
        assert "ALLOW GET /prod/orders → 200" in shown
    token_shown = explain(development, issued.headers["x-amz-cognito-request-id"])
    assert steps(token_shown) == [1, 2]
    assert "scopes wanted: all allowed" in token_shown
    assert "scopes held:   orders/read" in token_shown


@pytest.mark.parametrize(
    ("scope", "marked", "reason"),
    [
        ("orders/write", [3, 4, 5, 6, 10], "the token has none of the method's scopes"),
        (None, [3, 10], "no token in header Authorization"),
    ],
)
def test_a_denied_call_says_where_it_ended(
    development: Server, scope: str | None, marked: list[int], reason: str
) -> None:
    """The scope is decided also where the decision is no."""
    pool = make_pool(development)
    function = "arn:aws:lambda:us-east-1:000000000000:function:denied-" + secrets.token_hex(4)
    make_function(development, function.rpartition(":")[2])
    path = rest_api(development.aws, pool.arn, function)
    headers = {} if scope is None else {"Authorization": pool.access_token(scope)}

    answer = development.http("GET", path, headers=headers)
    shown = explain(development, answer.headers["x-amzn-RequestId"]).partition("DENY")[2]

    assert answer.status_code == 401
    assert steps(shown) == marked
    assert reason in shown
    assert "scopes wanted: orders/read" in shown


def test_an_http_api_decides_with_the_same_words(server: Server) -> None:
    pool = make_pool(server)
    client = pool.client("orders/write")
    api = server.aws("apigatewayv2")
    api_id = api.create_api(Name="orders", ProtocolType="HTTP")["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": pool.issuer, "Audience": [client["ClientId"]]},
    )["AuthorizerId"]
    function = make_function(server, "http-words")
    integration = api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    api.create_route(
        ApiId=api_id,
        RouteKey="GET /orders",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["orders/read"],
    )
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    allow_gateway(server, function, api_id)
    token = server.token(client).json()["access_token"]

    answer = server.http("GET", f"/_aws/execute-api/{api_id}/orders", headers={"Authorization": f"Bearer {token}"})
    shown = explain(server, answer.headers["apigw-requestid"]).partition("DENY")[2]

    assert answer.status_code == 403
    assert steps(shown) == [3, 4, 5, 6, 10]
    assert "scopes wanted: orders/read\n" in shown
    assert "scopes held:   orders/write\n" in shown


def test_g12_the_reason_is_in_a_header_only_where_nobody_else_reads_it(development: Server) -> None:
    """Design, "Explain": gateway refusals, a loopback peer and Host, no proxy; never tokens, sign-in or control."""
    pool = make_pool(development)
    path = rest_api(development.aws, pool.arn, make_function(development, "why"))
    why = "x-scopegate-why"

    refused = development.http("GET", path)
    by_host = development.http("GET", path, host=f"api.localhost:{development.port}")
    foreign = development.http("GET", path, host="gateway.example")
    proxied = [development.http("GET", path, headers={name: "for=192.0.2.1"}) for name in LATER]
    allowed = development.http("GET", path, headers={"Authorization": pool.access_token("orders/read")})
    token = development.http("POST", "/oauth2/token", data={"grant_type": "client_credentials", "client_id": "x"})
    control = development.http("GET", "/restapis")

    assert refused.headers[why] == "no token in header Authorization"
    assert why in by_host.headers
    assert [why in answer.headers for answer in (foreign, *proxied, allowed, token, control)] == [False] * 8
    assert {answer.status_code for answer in (foreign, *proxied)} == {401}


def test_g12_production_gives_no_reason_to_clients(production: Production) -> None:
    """Nor do errors name functions, addresses or files; the record does, for the operator."""
    server = production.server
    pool_id = production.aws("cognito-idp").create_user_pool(PoolName="p")["UserPool"]["Id"]
    api = production.aws("apigatewayv2")
    broken = api.create_api(
        Name="broken", ProtocolType="HTTP", RouteKey="GET /broken", Target="http://10.255.255.1:8080/secret-path"
    )["ApiId"]
    answers = [
        server.http("GET", f"/_aws/execute-api/{broken}/broken"),
        server.http("GET", f"/_aws/execute-api/{broken}/nothing"),
        server.http("GET", "/_aws/execute-api/nothere/prod"),
        server.http("POST", "/oauth2/token", data={"grant_type": "client_credentials"}),
        server.http("GET", f"/{pool_id}x/.well-known/jwks.json"),
        server.http("POST", "/", data="{}", headers={"X-Amz-Target": "AWSCognitoIdentityProviderService.Nothing"}),
        server.http("GET", "/_scopegate/api/overview"),
        server.http("GET", "/2015-03-31/functions/%00"),
    ]

    for answer in answers:
        assert answer.status_code >= 400
        assert "x-scopegate-why" not in answer.headers
        for leak in ("Traceback", ".py", "sqlite", "10.255", "secret-path", str(server.data_dir), "scopegate.db"):
            assert leak not in answer.text + str(answer.headers), (leak, answer.text)
    explained = scopegate(
        *("explain", answers[0].headers["apigw-requestid"], "--endpoint", server.url),
        environment=production.key.environment,
    )
    assert "10.255.255.1" in explained.stdout, explained.stdout + explained.stderr


def test_the_access_log_has_one_line_for_each_answer(development: Server) -> None:
    """JSON, without the query, which may hold secrets."""
    mark = secrets.token_hex(8)
    development.http("GET", f"/_aws/execute-api/none/{mark}/a%20b?token=hidden-{mark}", host="x.localhost")

    def written() -> list[dict[str, Any]]:
        text = (development.data_dir / "log" / "access.jsonl").read_text()
        assert f"hidden-{mark}" not in text
        return [json.loads(line) for line in text.splitlines() if mark in line]

    (line,) = wait_until(written)
    assert line.pop("time") > 1_700_000_000
    assert line.pop("us") > 0
    assert line.pop("bytes") > 0
    assert line == {
        "method": "GET",
        "host": "x.localhost",
        "path": f"/_aws/execute-api/none/{mark}/a%20b",
        "status": 403,
        "peer": "127.0.0.1",
    }


# secrets


def _everything_written(server: Server) -> str:
    """Logs of the server, its access log, what functions wrote, and its own output."""
    paths = [path for path in server.data_dir.rglob("*") if path.suffix in (".log", ".jsonl")]
    assert {path.name for path in paths} >= {"server.log", "access.jsonl", "fails.log"}
    return "".join([*server.output, *(path.read_text(errors="replace") for path in paths)])


def _command_lines(server: Server) -> str:
    found = []
    for process in family(server):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += process.cmdline()
    return "\n".join(found)


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["one-process", "workers"])
def test_g12_o14_no_secret_is_in_logs_ps_records_or_errors(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """A flow with secrets that can be searched for, good and bad, then everything that anybody could read."""
    data_dir = tmp_path / "data"
    key = create_key("--data-dir", str(data_dir))
    wrong = {name: f"distinct-{name}-{secrets.token_hex(12)}" for name in ("client", "token", "header", "query", "env")}
    server = start(("serve", "--workers", "1") if workers else ("serve", "--dev"), data_dir)
    seen: list[str] = []
    try:

        def aws(service: str) -> Any:
            return server.aws(service, key=key.key_id, secret=key.secret)

        open_server = Server(server.process, server.url, data_dir, server.clock_file)
        open_server.aws = lambda service, **_: aws(service)  # type: ignore[method-assign]
        pool = make_pool(open_server)
        client = pool.client()
        source = "import os\ndef handler(event, context):\n    raise ValueError('no')\n"
        function = make_function(open_server, "fails", source, Environment={"Variables": {"PASSWORD": wrong["env"]}})
        path = rest_api(aws, pool.arn, function)
        token = server.token(client).json()["access_token"]

        answers = [
            server.http("GET", path, headers={"Authorization": token, "Cookie": wrong["header"]}),
            server.http("GET", f"{path}?access_token={wrong['query']}", headers={"Authorization": token[:-4] + "AAAA"}),
            server.http("GET", path, headers={"Authorization": f"Bearer {wrong['token']}"}),
            server.token({**client, "ClientSecret": wrong["client"]}),
            server.token({"ClientId": wrong["client"], "ClientSecret": wrong["client"]}),
            server.http(
                "POST", f"/oauth2/token?client_secret={wrong['query']}", data={"client_secret": wrong["client"]}
            ),
            server.http("POST", "/", headers={"Authorization": wrong["header"]}, data=wrong["query"]),
            server.http("GET", f"/restapis?X-Amz-Signature={wrong['query']}&X-Amz-Security-Token={wrong['token']}"),
        ]
        with pytest.raises(ClientError) as refused:
            server.aws("sts", key=key.key_id, secret=wrong["client"]).get_caller_identity()
        with pytest.raises(ClientError):
            aws("cognito-idp").describe_user_pool_client(UserPoolId=pool.pool_id, ClientId=wrong["client"][:20])
        seen += [answer.text + str(answer.headers) for answer in answers] + [str(refused.value.response)]
        records = scopegate("ls", "--endpoint", server.url, environment=key.environment).stdout
        signed = _records(server, key.key_id, key.secret)
        assert len(signed["records"]) >= 6
        logs = scopegate("logs", "--endpoint", server.url, environment=key.environment).stdout
        assert "ValueError" in logs
        command_lines = _command_lines(server)
        environments = [
            one for one in family(server) if "bwrap" in one.name() or "bootstrap" in " ".join(one.cmdline())
        ]
    finally:
        code = server.stop()

    assert code == 0
    master_key = (data_dir / "master.key").read_text().strip()
    hidden = [*wrong.values(), client["ClientSecret"], token, token.rpartition(".")[2], key.secret, master_key]
    places = {
        "logs": _everything_written(server),
        "ps": command_lines,
        "records": json.dumps(signed) + records + logs,
        "answers": "".join(seen),
    }
    assert environments, "no function process was looked at"
    for place, text in places.items():
        for secret in hidden:
            assert secret not in text, (place, secret[:12])


def _records(server: Server, key_id: str, secret: str) -> Any:
    from scopegate.aws.client import Credentials, send_signed

    credentials = Credentials(key_id, secret)
    answer = send_signed(
        server.url, "scopegate", "us-east-1", credentials, "GET", "/_scopegate/api/decisions?count=1000"
    )
    return json.loads(answer.body)


def test_the_key_file_and_the_database_are_their_owners_alone(development: Server) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in development.data_dir.iterdir()}

    assert modes["master.key"] == 0o600
    assert modes["scopegate.db"] == 0o600
    assert requests.get(f"{development.url}/master.key", timeout=10).status_code in (403, 404)
