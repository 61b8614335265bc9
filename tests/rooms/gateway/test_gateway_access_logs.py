"""Access logs of stages, read as a user reads them: by `scopegate logs GROUP`.

Source: reference, "Access logs", "`$context`"; attack rows G12, G17.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.operators import scopegate, wait_until
from tests.server import ACCOUNT, REGION, Server, allow_gateway, make_function
from tests.wire.gateways import SHORT_ID, UUID, HttpApi, RestApi, call, serving_web

CLF = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId"
)
MOMENT = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]"


def arn(group: str, ending: str = ":*", account: str = ACCOUNT) -> str:
    return f"arn:aws:logs:{REGION}:{account}:log-group:{group}{ending}"


def logged(server: Server, group: str, count: int) -> list[str]:
    """The lines of a group, once there are so many."""

    def look() -> list[str] | None:
        done = scopegate("logs", group, "--endpoint", server.url)
        lines = done.stdout.splitlines() if done.returncode == 0 else []
        return lines if len(lines) >= count else None

    lines: list[str] = wait_until(look)
    assert len(lines) == count
    return lines


def log_to(api: RestApi, group: str, template: str, stage: str = "prod", ending: str = ":*") -> None:
    patches = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn(group, ending)},
        {"op": "replace", "path": "/accessLogSettings/format", "value": template},
    ]
    api.client.update_stage(restApiId=api.id, stageName=stage, patchOperations=patches)


@pytest.fixture
def rest(server: Server) -> RestApi:
    """GET /pets/{id}: a function that answers with its event."""
    api = RestApi(server)
    function = make_function(server, f"logged-{api.id}")
    api.function("GET", "/pets/{id}", function)
    api.deploy()
    allow_gateway(server, f"logged-{api.id}", api.id)
    return api


@pytest.mark.parametrize("ending", ["", ":*"])
def test_a_line_in_the_common_format(server: Server, rest: RestApi, ending: str) -> None:
    log_to(rest, f"{rest.id}-logs", CLF, ending=ending)

    answer = rest.call("GET", "/pets/1?x=1")

    (line,) = logged(server, f"{rest.id}-logs", 1)
    request_id = answer.header("x-amzn-RequestId")
    wanted = rf'127\.0\.0\.1 - - {MOMENT} "GET /pets/\{{id\}} HTTP/1\.1" 200 {len(answer.body)} {request_id}'
    assert re.fullmatch(wanted, line)


def test_a_line_in_json(server: Server, rest: RestApi) -> None:
    template = (
        '{ "requestId":"$context.requestId","ip":"$context.identity.sourceIp","method":"$context.httpMethod",\n'
        '"path":"$context.path","stage":"$context.stage","status":$context.status,"ms":$context.responseLatency,'
        '"backend":"$context.integrationStatus","took":$context.integrationLatency,"api":"$context.apiId",'
        '"account":"$context.accountId","type":"$context.error.responseType","claim":"$context.authorizer.claims.sub" }'
    )
    log_to(rest, f"{rest.id}/json", template)

    rest.call("GET", "/pets/1")

    (line,) = logged(server, f"{rest.id}/json", 1)
    found = json.loads(line)
    assert re.fullmatch(UUID, found.pop("requestId"))
    assert (type(found.pop("ms")), type(found.pop("took"))) == (int, int)
    assert found == {
        "ip": "127.0.0.1",
        "method": "GET",
        "path": "/prod/pets/1",
        "stage": "prod",
        "status": 200,
        "backend": "200",
        "api": rest.id,
        "account": ACCOUNT,
        "type": "-",
        "claim": "-",
    }


def test_a_refused_call_is_logged_with_its_reason(server: Server, rest: RestApi) -> None:
    template = '{"status":$context.status,"error":$context.error.messageString,"type":"$context.error.responseType"}'
    log_to(rest, f"{rest.id}-refused", template)

    rest.call("GET", "/nowhere")

    (line,) = logged(server, f"{rest.id}-refused", 1)
    wanted = {"status": 403, "error": "Missing Authentication Token", "type": "MISSING_AUTHENTICATION_TOKEN"}
    assert json.loads(line) == wanted


def test_stages_log_apart(server: Server, rest: RestApi) -> None:
    rest.deploy("quiet")
    rest.deploy("other")
    log_to(rest, f"{rest.id}-prod", "$context.requestId $context.stage")
    log_to(rest, f"{rest.id}-other", "$context.requestId $context.stage", stage="other")

    for stage in ("prod", "quiet", "other", "prod"):
        rest.call("GET", "/pets/1", stage=stage)

    assert [line.split()[1] for line in logged(server, f"{rest.id}-prod", 2)] == ["prod", "prod"]
    assert [line.split()[1] for line in logged(server, f"{rest.id}-other", 1)] == ["other"]


def test_the_log_ends_with_its_settings(server: Server, rest: RestApi) -> None:
    log_to(rest, f"{rest.id}-ends", "$context.requestId one")
    rest.call("GET", "/pets/1")
    patch = {"op": "remove", "path": "/accessLogSettings"}
    rest.client.update_stage(restApiId=rest.id, stageName="prod", patchOperations=[patch])
    rest.call("GET", "/pets/1")
    log_to(rest, f"{rest.id}-ends", "$context.requestId two")
    rest.call("GET", "/pets/1")

    assert [line.split()[1] for line in logged(server, f"{rest.id}-ends", 2)] == ["one", "two"]


def test_g17_a_caller_writes_nothing_but_values(server: Server, rest: RestApi) -> None:
    """Attack G17: no second line, and no second member of a JSON line."""
    log_to(rest, f"{rest.id}-json", '{"id":"$context.requestId","agent":"$context.identity.userAgent"}')
    agent = 'x","admin":"yes" \\'

    rest.call("GET", "/pets/1", {"User-Agent": agent})

    (line,) = logged(server, f"{rest.id}-json", 1)
    found = json.loads(line)
    assert found.keys() == {"id", "agent"}
    assert found["agent"] == agent


def test_g17_a_value_begins_no_line(server: Server) -> None:
    """What an authorizer says of a caller may hold whatever the caller chose as its name."""
    api = HttpApi(server, stage=None)
    source = (
        'def handler(event, _):\n    return {"isAuthorized": True, "context": {"name": "a\\r\\nforged line\\u2028"}}\n'
    )
    function = make_function(server, f"names-{api.id}", source)
    made = api.client.create_authorizer(
        ApiId=api.id,
        Name="names",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentitySource=[],
    )
    allow_gateway(server, f"names-{api.id}", api.id)
    settings = {"DestinationArn": arn(f"{api.id}-lines"), "Format": "$context.requestId $context.authorizer.name"}
    with serving_web() as web:
        api.web("GET /x", web.url, AuthorizationType="CUSTOM", AuthorizerId=made["AuthorizerId"])
        api.stage("$default", AccessLogSettings=settings)
        call(server, "GET", "/x", host=api.host)

    (line,) = logged(server, f"{api.id}-lines", 1)
    assert line.split(" ", 1)[1] == r"a\u000d\u000aforged line\u2028"


def test_an_http_stage_logs_route_and_authorizer(server: Server, pool: Any) -> None:
    api = HttpApi(server, stage=None)
    with serving_web() as web:
        made = api.client.create_authorizer(
            ApiId=api.id,
            Name="jwt",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": pool.issuer, "Audience": ["nobody"]},
        )
        api.web("GET /x", web.url, AuthorizationType="JWT", AuthorizerId=made["AuthorizerId"])
        template = (
            "$context.requestId|$context.routeKey|$context.status|$context.authorizer.error|$context.error.message"
        )
        settings = {"DestinationArn": arn(f"{api.id}-http", ""), "Format": template}
        api.stage("$default", AccessLogSettings=settings)
        for headers in ({}, {"Authorization": f"Bearer {pool.access_token()}"}, {"Authorization": "Bearer x.y"}):
            call(server, "GET", "/x", headers, host=api.host)

    lines = [line.split("|") for line in logged(server, f"{api.id}-http", 3)]
    assert all(re.fullmatch(SHORT_ID, line[0]) for line in lines)
    assert [line[1:] for line in lines] == [
        ["GET /x", "401", "missing: token not provided", "Unauthorized"],
        ["GET /x", "401", "invalid_token: the token does not have a valid audience", "Unauthorized"],
        ["GET /x", "401", "invalid_token: token contains an invalid number of segments", "Unauthorized"],
    ]


def test_who_called_with_a_key_is_logged(server: Server, rest: RestApi) -> None:
    rest.function("GET", "/keyed", make_function(server, f"keyed-log-{rest.id}"), apiKeyRequired=True)
    rest.deploy()
    plan = rest.client.create_usage_plan(name="plan", apiStages=[{"apiId": rest.id, "stage": "prod"}])["id"]
    key = rest.client.create_api_key(name="caller", enabled=True)
    rest.client.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    log_to(rest, f"{rest.id}-keys", "$context.requestId $context.identity.apiKeyId $context.status")

    rest.call("GET", "/keyed", {"x-api-key": key["value"]})
    rest.call("GET", "/keyed", {"x-api-key": "u" * 40})

    lines = [line.split()[1:] for line in logged(server, f"{rest.id}-keys", 2)]
    assert lines == [[key["id"], "500"], ["-", "403"]]


def test_another_accounts_group_is_never_written(server: Server, rest: RestApi) -> None:
    """Attack O24: warned of in `ls`."""
    patches = [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn("theirs", account="111122223333")},
        {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId"},
    ]
    rest.client.update_stage(restApiId=rest.id, stageName="prod", patchOperations=patches)

    rest.call("GET", "/pets/1")

    assert "access logs are not delivered to" in " ".join(scopegate("ls", "--endpoint", server.url).stdout.split())
    assert not (server.data_dir / "log" / "groups" / "111122223333").exists()


def test_edges_write_one_log_and_it_may_be_followed(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev", "--workers", "2")
    api = RestApi(server)
    api.method("GET", "/o", {"type": "MOCK"})
    api.deploy()
    log_to(api, "shared", "$context.requestId $context.status")

    for _ in range(20):
        api.call("GET", "/o")

    lines = logged(server, "shared", 20)
    assert len({line.split()[0] for line in lines}) == 20
    everything = scopegate("logs", "--endpoint", server.url).stdout
    assert everything.count("shared: ") == 20
    assert (server.data_dir / "log" / "groups" / ACCOUNT / REGION / "shared.log").stat().st_mode & 0o077 == 0
