"""API keys and usage plans, from boto3 and calls of a real server.

Source: reference, "REST: API keys and usage plans"; control plane, section 5.4; attack rows G21, U3.
"""

import re
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.operators import scopegate, wait_until
from tests.server import REGION, Server, allow_gateway, make_function, start
from tests.wire.gateways import Answer, RestApi, call

MOCK = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}


class Planned:
    """A REST API whose `GET /` and `GET /slow` need an API key, deployed to `prod`, and a usage plan of that stage."""

    def __init__(self, server: Server, *, quota: Any = None, throttle: Any = None, **members: Any) -> None:
        self.server = server
        self.rest = RestApi(server, **members)
        self.client = self.rest.client
        for path in ("/", "/slow"):
            self.mock("GET", path, apiKeyRequired=True)
        self.mock("GET", "/open")
        self.rest.deploy()
        more = {name: value for name, value in (("quota", quota), ("throttle", throttle)) if value is not None}
        stages = [{"apiId": self.rest.id, "stage": "prod"}]
        self.plan_id: str = self.client.create_usage_plan(name="plan", apiStages=stages, **more)["id"]

    def mock(self, verb: str, path: str, **method: Any) -> None:
        self.rest.method(verb, path, MOCK, **method)
        where = self.rest.where(verb, path)
        self.client.put_method_response(**where, statusCode="200")
        self.client.put_integration_response(**where, statusCode="200")

    def key(self, *, plan: bool = True, enabled: bool = True) -> tuple[str, str]:
        """A new key's id and value."""
        made = self.client.create_api_key(name="caller", enabled=enabled)
        if plan:
            self.client.create_usage_plan_key(usagePlanId=self.plan_id, keyId=made["id"], keyType="API_KEY")
        return made["id"], made["value"]

    def call(self, key: str | None = None, path: str = "/", **more: Any) -> Answer:
        headers = {} if key is None else {"x-api-key": key}
        return self.rest.call("GET", path, headers, **more)

    def usage(self, key_id: str, days_before: int = 0) -> list[list[int]]:
        """What GetUsage says of a key, from so many days before today by the server's turned clock."""
        today = today_of(self.server)
        first = today - timedelta(days=days_before)
        answer = self.client.get_usage(
            usagePlanId=self.plan_id, keyId=key_id, startDate=first.isoformat(), endDate=today.isoformat()
        )
        found: list[list[int]] = answer["items"][key_id]
        return found


def today_of(server: Server) -> date:
    """By the server's turned clock."""
    (offset,) = struct.unpack("<d", server.clock_file.read_bytes())
    return datetime.fromtimestamp(time.time() + offset, UTC).date()


@pytest.fixture
def planned(server: Server) -> Planned:
    return Planned(server)


def refused(answer: Answer) -> tuple[int, bytes, str | None]:
    return answer.status, answer.body, answer.header("x-amzn-ErrorType")


FORBIDDEN = (403, b'{"message":"Forbidden"}', "ForbiddenException")
TOO_MANY = (429, b'{"message":"Too Many Requests"}', "TooManyRequestsException")
USED_UP = (429, b'{"message":"Limit Exceeded"}', "LimitExceededException")


# keys


def test_a_key_of_a_plan_of_the_stage_lets_a_call_through(planned: Planned) -> None:
    _, value = planned.key()

    assert planned.call(value).status == 200


def test_a_method_that_needs_no_key_ignores_one(planned: Planned) -> None:
    assert [planned.call(key, "/open").status for key in (None, "nonsense")] == [200, 200]


@pytest.mark.parametrize("case", ["none", "unknown", "empty", "disabled", "without a plan", "case", "prefix", "blank"])
def test_a_key_that_is_none_here_is_refused(planned: Planned, case: str) -> None:
    """The key is compared as a whole, and has to be enabled and in a plan of this stage."""
    _, value = planned.key()
    key = {
        "none": None,
        "unknown": "u" * 40,
        "empty": "",
        "disabled": planned.key(enabled=False)[1],
        "without a plan": planned.key(plan=False)[1],
        "case": value.swapcase(),
        "prefix": value[:-1],
        "blank": f"{value} x",
    }[case]

    assert refused(planned.call(key)) == FORBIDDEN


def test_a_key_counts_in_its_header_alone(planned: Planned) -> None:
    """Attack G21: not in the query, and not beside another one."""
    _, value = planned.key()

    in_query = planned.rest.call("GET", f"/?x-api-key={value}")
    twice = planned.rest.call("GET", "/", [("x-api-key", "u" * 40), ("X-Api-Key", value)])

    assert [refused(in_query), refused(twice)] == [FORBIDDEN, FORBIDDEN]


def test_a_plan_of_another_stage_does_not_help(planned: Planned) -> None:
    """Attack G21."""
    _, value = planned.key()
    planned.rest.deploy("test")

    assert refused(planned.call(value, stage="test")) == FORBIDDEN


def test_a_key_is_in_several_plans_each_for_its_stages(planned: Planned) -> None:
    planned.rest.deploy("test")
    key_id, value = planned.key()
    other = planned.client.create_usage_plan(name="other", apiStages=[{"apiId": planned.rest.id, "stage": "test"}])
    planned.client.create_usage_plan_key(usagePlanId=other["id"], keyId=key_id, keyType="API_KEY")

    assert [planned.call(value, stage=stage).status for stage in ("prod", "test")] == [200, 200]


def test_a_stage_joins_no_plan_with_a_key_that_has_one_for_it(planned: Planned) -> None:
    key_id, _ = planned.key()
    other = planned.client.create_usage_plan(name="other")
    planned.client.create_usage_plan_key(usagePlanId=other["id"], keyId=key_id, keyType="API_KEY")
    patch = {"op": "add", "path": "/apiStages", "value": f"{planned.rest.id}:prod"}

    with pytest.raises(planned.client.exceptions.ConflictException, match="cannot be added to usage plan"):
        planned.client.update_usage_plan(usagePlanId=other["id"], patchOperations=[patch])


def test_keys_and_plans_are_live_without_a_deployment(planned: Planned) -> None:
    """Attack G22: what is taken away is refused at the very next call."""
    client = planned.client
    (disabled, one), (deleted, two), (taken_out, three) = planned.key(), planned.key(), planned.key()
    before = [planned.call(value).status for value in (one, two, three)]

    client.update_api_key(apiKey=disabled, patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    client.delete_api_key(apiKey=deleted)
    client.delete_usage_plan_key(usagePlanId=planned.plan_id, keyId=taken_out)

    assert before == [200, 200, 200]
    assert [refused(planned.call(value)) for value in (one, two, three)] == [FORBIDDEN] * 3


def test_a_plan_without_the_stage_any_more_lets_nobody_through(planned: Planned) -> None:
    _, value = planned.key()
    patch = {"op": "remove", "path": "/apiStages", "value": f"{planned.rest.id}:prod"}
    planned.client.update_usage_plan(usagePlanId=planned.plan_id, patchOperations=[patch])

    assert refused(planned.call(value)) == FORBIDDEN


def test_another_accounts_key_of_the_same_plan_name_is_unknown(planned: Planned) -> None:
    """Keys are matched over one account and region."""
    other = planned.server.aws("apigateway", key="111122223333", region="eu-west-1")
    value = other.create_api_key(name="caller", enabled=True)["value"]

    assert refused(planned.call(value)) == FORBIDDEN


def test_a_function_is_told_the_key(server: Server) -> None:
    planned = Planned(server)
    arn = make_function(server, f"keyed-{planned.rest.id}")
    planned.rest.function("GET", "/fn", arn, apiKeyRequired=True)
    planned.rest.function("GET", "/fn/open", arn)
    planned.rest.deploy()
    allow_gateway(server, f"keyed-{planned.rest.id}", planned.rest.id)
    key_id, value = planned.key()

    keyed = planned.call(value, "/fn").json["requestContext"]["identity"]
    unkeyed = planned.call(value, "/fn/open").json["requestContext"]["identity"]

    assert (keyed["apiKey"], keyed["apiKeyId"]) == (value, key_id)
    assert "apiKey" not in unkeyed


AUTHORIZER = """
def handler(event, context):
    return {
        "principalId": "user",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
        },
        "usageIdentifierKey": event["authorizationToken"].removeprefix("key "),
    }
"""


def test_the_authorizers_key_counts_where_the_api_says_so(server: Server) -> None:
    """`apiKeySource` AUTHORIZER: `usageIdentifierKey`, and never the header."""
    planned = Planned(server, apiKeySource="AUTHORIZER")
    name = f"keys-{planned.rest.id}"
    arn = make_function(server, name, AUTHORIZER)
    allow_gateway(server, name, planned.rest.id)
    made = planned.client.create_authorizer(
        restApiId=planned.rest.id,
        name="keys",
        type="TOKEN",
        authorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
        identitySource="method.request.header.Authorization",
    )
    planned.mock("GET", "/custom", authorizationType="CUSTOM", authorizerId=made["id"], apiKeyRequired=True)
    planned.rest.deploy()
    _, value = planned.key()

    said = planned.rest.call("GET", "/custom", {"Authorization": f"key {value}"})
    unsaid = planned.rest.call("GET", "/custom", {"Authorization": "key " + "u" * 40, "x-api-key": value})
    unasked = planned.call(value)

    assert said.status == 200
    assert [refused(unsaid), refused(unasked)] == [FORBIDDEN, FORBIDDEN]


def test_a_refused_key_may_be_told_in_a_gateway_response(planned: Planned) -> None:
    planned.client.put_gateway_response(
        restApiId=planned.rest.id,
        responseType="INVALID_API_KEY",
        statusCode="418",
        responseTemplates={"application/json": '{"type":"$context.error.responseType"}'},
    )
    planned.rest.deploy()

    answer = planned.call("u" * 40)

    assert (answer.status, answer.json) == (418, {"type": "INVALID_API_KEY"})


SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: Prod
      Auth:
        ApiKeyRequired: true
        UsagePlan: {CreateUsagePlan: PER_API, Quota: {Limit: 1, Period: DAY}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return {"statusCode": 200, "body": event["requestContext"]["identity"]["apiKeyId"]}
      Events:
        Get: {Type: Api, Properties: {Path: /o, Method: get, RestApiId: !Ref Api}}
Outputs:
  Api: {Value: !Ref Api}
  Key: {Value: !Ref ApiApiKey}
"""


def test_sams_usage_plan_works(server: Server, tmp_path: Path) -> None:
    """`ApiKeyRequired` and `UsagePlan: PER_API` make a plan, a key and their link."""
    (tmp_path / "template.yaml").write_text(SAM)
    done = scopegate("deploy", str(tmp_path / "template.yaml"), "--name", "sam-usage", "--endpoint", server.url)
    assert done.returncode == 0, done.stderr + done.stdout
    printed = scopegate("outputs", "sam-usage", "--endpoint", server.url).stdout
    outputs = dict(re.findall(r"(Api|Key) = (\w+)", printed))
    value = server.aws("apigateway").get_api_key(apiKey=outputs["Key"], includeValue=True)["value"]
    host = f"{outputs['Api']}.execute-api.{REGION}.amazonaws.com"

    answers = [call(server, "GET", "/Prod/o", {"x-api-key": key}, host=host) for key in ("u" * 40, value, value)]

    assert [answer.status for answer in answers] == [403, 200, 429]
    assert answers[1].body.decode() == outputs["Key"]


# rates


def test_a_plan_limits_the_rate_per_key(server: Server) -> None:
    planned = Planned(server, throttle={"rateLimit": 0.001, "burstLimit": 2})
    (_, one), (_, two) = planned.key(), planned.key()

    answers = [planned.call(one) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert refused(answers[2]) == TOO_MANY
    assert answers[2].header("Retry-After") is None
    assert planned.call(two).status == 200


def test_a_plan_limits_the_rate_per_stage(server: Server) -> None:
    planned = Planned(server, throttle={"rateLimit": 0.001, "burstLimit": 1})
    planned.rest.deploy("test")
    patch = {"op": "add", "path": "/apiStages", "value": f"{planned.rest.id}:test"}
    planned.client.update_usage_plan(usagePlanId=planned.plan_id, patchOperations=[patch])
    _, value = planned.key()

    statuses = [planned.call(value, stage=stage).status for stage in ("prod", "prod", "test")]

    assert statuses == [200, 429, 200]


@pytest.mark.parametrize("path", ["~1slow/GET", "/slow/GET"])
def test_a_plan_limits_a_method_apart(server: Server, path: str) -> None:
    planned = Planned(server, throttle={"rateLimit": 1000.0, "burstLimit": 1000})
    where = f"/apiStages/{planned.rest.id}:prod/throttle/{path}"
    patches = [
        {"op": "add", "path": f"{where}/rateLimit", "value": "0.001"},
        {"op": "add", "path": f"{where}/burstLimit", "value": "1"},
    ]
    planned.client.update_usage_plan(usagePlanId=planned.plan_id, patchOperations=patches)
    _, value = planned.key()

    statuses = [planned.call(value, path).status for path in ("/slow", "/slow", "/", "/")]

    assert statuses == [200, 429, 200, 200]


def test_a_rate_of_zero_lets_nothing_through(server: Server) -> None:
    planned = Planned(server, throttle={"rateLimit": 0.0, "burstLimit": 5})
    _, value = planned.key()

    assert refused(planned.call(value)) == TOO_MANY


# quotas


def test_a_quota_ends_calls_until_the_next_day(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev", "--ephemeral")
    planned = Planned(server, quota={"limit": 2, "period": "DAY"})
    key_id, value = planned.key()

    answers = [planned.call(value) for _ in range(4)]
    server.turn_clock(86_400)
    next_day = [planned.call(value).status for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert refused(answers[2]) == USED_UP
    assert next_day == [200, 200, 429]
    assert wait_until(lambda: planned.usage(key_id, 1) == [[2, 0], [2, 0]])


@pytest.mark.parametrize(("period", "longest_s"), [("WEEK", 8 * 86_400), ("MONTH", 32 * 86_400)])
def test_a_quota_lasts_as_long_as_its_period(
    start_server: Callable[..., Server], period: str, longest_s: float
) -> None:
    server = start_server("serve", "--dev", "--ephemeral")
    planned = Planned(server, quota={"limit": 1, "period": period})
    _, value = planned.key()

    first = [planned.call(value).status for _ in range(2)]
    server.turn_clock(longest_s)
    later = [planned.call(value).status for _ in range(2)]

    assert (first, later) == ([200, 429], [200, 429])


def test_the_offset_is_for_the_first_period_alone(start_server: Callable[..., Server]) -> None:
    """botocore, QuotaSettings: subtracted from the limit in the initial time period."""
    server = start_server("serve", "--dev", "--ephemeral")
    planned = Planned(server, quota={"limit": 3, "period": "DAY", "offset": 2})
    _, value = planned.key()

    first = [planned.call(value).status for _ in range(2)]
    server.turn_clock(86_400)
    second = [planned.call(value).status for _ in range(4)]

    assert (first, second) == ([200, 429], [200, 200, 200, 429])


def test_refused_calls_do_not_count(server: Server) -> None:
    planned = Planned(server, quota={"limit": 5, "period": "DAY"}, throttle={"rateLimit": 0.001, "burstLimit": 1})
    key_id, value = planned.key()

    statuses = [planned.call(value).status for _ in range(4)]

    assert statuses == [200, 429, 429, 429]
    assert wait_until(lambda: planned.usage(key_id) == [[1, 4]])


def test_each_key_has_a_quota_of_its_own(server: Server) -> None:
    planned = Planned(server, quota={"limit": 1, "period": "DAY"})
    (_, one), (_, two) = planned.key(), planned.key()

    assert [planned.call(value).status for value in (one, one, two)] == [200, 429, 200]


def test_a_raised_limit_counts_at_once(server: Server) -> None:
    planned = Planned(server, quota={"limit": 1, "period": "DAY"})
    _, value = planned.key()
    before = [planned.call(value).status for _ in range(2)]

    patch = {"op": "replace", "path": "/quota/limit", "value": "2"}
    planned.client.update_usage_plan(usagePlanId=planned.plan_id, patchOperations=[patch])

    assert (before, [planned.call(value).status for _ in range(2)]) == ([200, 429], [200, 429])


def test_what_is_left_may_be_set(server: Server) -> None:
    """UpdateUsage: an extension for the period that runs."""
    planned = Planned(server, quota={"limit": 1, "period": "DAY"})
    key_id, value = planned.key()
    before = [planned.call(value).status for _ in range(2)]
    assert wait_until(lambda: planned.usage(key_id) == [[1, 0]])

    patch = {"op": "replace", "path": "/remaining", "value": "2"}
    answer = planned.client.update_usage(usagePlanId=planned.plan_id, keyId=key_id, patchOperations=[patch])
    after = [planned.call(value).status for _ in range(3)]

    assert before == [200, 429]
    assert answer["items"] == {key_id: [[1, 2]]}
    assert after == [200, 200, 429]


def test_usage_knows_one_path_to_patch(planned: Planned) -> None:
    """Recorded: boto3#2504."""
    client = planned.client
    patched = client.create_usage_plan(name="quota", quota={"limit": 1, "period": "DAY"})
    key_id, _ = planned.key(plan=False)
    client.create_usage_plan_key(usagePlanId=patched["id"], keyId=key_id, keyType="API_KEY")
    patch = {"op": "add", "path": "/extension", "value": "2"}

    with pytest.raises(client.exceptions.BadRequestException) as caught:
        client.update_usage(usagePlanId=patched["id"], keyId=key_id, patchOperations=[patch])

    message = caught.value.response["Error"]["Message"]
    assert message == "Invalid patch path  '/extension' specified for op 'add'. Must be one of: []"


@pytest.mark.parametrize(
    "dates", [("tomorrow", "2026-01-01"), ("2026-01-02", "2026-01-01"), ("1999-01-01", "1999-01-02"), ("", "")]
)
def test_usage_of_impossible_dates_is_refused(planned: Planned, dates: tuple[str, str]) -> None:
    with pytest.raises(planned.client.exceptions.BadRequestException):
        planned.client.get_usage(usagePlanId=planned.plan_id, startDate=dates[0], endDate=dates[1])


def test_usage_is_told_of_all_keys_and_of_none_that_never_called(server: Server) -> None:
    planned = Planned(server, quota={"limit": 9, "period": "DAY"})
    (one, value), (two, _) = planned.key(), planned.key()
    planned.call(value)
    today = today_of(server).isoformat()

    def items() -> Any:
        answer = planned.client.get_usage(usagePlanId=planned.plan_id, startDate=today, endDate=today)
        return answer["items"]

    assert wait_until(lambda: items() == {one: [[1, 8]], two: [[0, 9]]})


def test_usage_comes_in_pages(planned: Planned) -> None:
    keys = {planned.key()[0] for _ in range(3)}
    today = today_of(planned.server).isoformat()
    seen, more = set(), {}
    for _ in range(3):
        page = planned.client.get_usage(usagePlanId=planned.plan_id, startDate=today, endDate=today, limit=1, **more)
        seen |= page["items"].keys()
        more = {"position": page["position"]} if "position" in page else {}

    assert (seen, more) == (keys, {})


# durability, several processes


def test_usage_survives_a_kill(start_server: Callable[..., Server]) -> None:
    """Attack U3: what was counted a second ago is not forgotten."""
    server = start_server("serve", "--dev")
    planned = Planned(server, quota={"limit": 2, "period": "DAY"})
    key_id, value = planned.key()
    before = [planned.call(value).status for _ in range(2)]
    assert wait_until(lambda: planned.usage(key_id) == [[2, 0]])

    server.kill()
    planned.rest.server = start_server("serve", "--dev")

    assert (before, refused(planned.call(value))) == ([200, 200], USED_UP)


def test_an_orderly_end_adds_what_was_counted_last(start_server: Callable[..., Server]) -> None:
    server = start_server("serve", "--dev")
    planned = Planned(server, quota={"limit": 1, "period": "DAY"})
    _, value = planned.key()
    before = planned.call(value).status

    server.stop()
    planned.rest.server = start_server("serve", "--dev")

    assert (before, refused(planned.call(value))) == (200, USED_UP)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(("serve", "--dev", "--workers", "2"), tmp_path_factory.mktemp("several"))
    yield running
    assert running.stop() == 0


def test_workers_count_together(several: Server) -> None:
    """Attack G21: the overrun is what both let through between two exchanges, and nothing after."""
    planned = Planned(several, quota={"limit": 10, "period": "DAY"})
    key_id, value = planned.key()

    def spend() -> bool:
        return [planned.call(value).status for _ in range(8)] == [429] * 8

    assert wait_until(spend)
    # Each may let ten through before it hears of the other.
    assert wait_until(lambda: planned.usage(key_id)[0][0] >= 10)
    assert planned.usage(key_id)[0][0] <= 20
    assert planned.usage(key_id)[0][1] == 0
