"""What a deployment leaves behind: all of it, or what stood before; whether it fails, is killed or is undone."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scopegate.base.errors import SetupError
from scopegate.cli.client import Client
from tests.rooms.stacks.driver import FUNCTION, NOTHING, POOL, ROLE, Stack, inventory
from tests.server import Server

API = """
  Api: {Type: AWS::ApiGatewayV2::Api, Properties: {Name: api, ProtocolType: HTTP, Target: !GetAtt Function.Arn}}
"""
OUTPUTS = """
Outputs:
  Api: {Value: !Ref Api}
  Client: {Value: !Ref Client}
  Function: {Value: !Ref Function}
  Pool: {Value: !Ref Pool}
"""
# A pool that Cognito refuses, made after everything else.
BROKEN = """
  Broken:
    Type: AWS::Cognito::UserPool
    DependsOn: [Api, Client, Permission]
    Properties:
      AliasAttributes: [email]
      UsernameAttributes: [email]
"""
WHOLE = f"Resources:{POOL}{ROLE}{FUNCTION}{API}"


def with_answer(text: str, answer: str) -> str:
    return text.replace('"body": json.dumps(event)', f'"body": "{answer}"')


def test_a_first_deployment_that_fails_leaves_nothing_and_shows_the_first_cause(stack: Stack) -> None:
    message = stack.refused(WHOLE + BROKEN)

    line = (WHOLE + BROKEN).splitlines().index("      UsernameAttributes: [email]") + 1
    assert message.startswith(f"template.yaml:{line}: Broken (AWS::Cognito::UserPool): InvalidParameterException")
    assert stack.everything() == NOTHING
    stacks = Client(stack.server.url).own("GET", "stacks")["stacks"]
    assert stack.name not in [each["name"] for each in stacks]
    stack.deploy(WHOLE + OUTPUTS)
    stack.delete()


MORE = """
  Kept: {Type: AWS::ApiGatewayV2::Model, Properties: {ApiId: !Ref Api, Name: m, Schema: {}}}
  Domain: {Type: AWS::Cognito::UserPoolDomain, Properties: {UserPoolId: !Ref Pool, Domain: PREFIX-one}}
"""


def test_a_later_deployment_that_fails_brings_back_what_was(stack: Stack) -> None:
    """Updated, replaced, added and removed resources alike."""
    first = (with_answer(WHOLE, "first") + MORE).replace("PREFIX", stack.name)
    made = stack.deploy(first + OUTPUTS)
    before = stack.everything(), described(stack, made)
    second = with_answer(WHOLE, "second") + MORE.replace("PREFIX-one", f"{stack.name}-two")
    second = second.replace("orders/read]", "orders/write]").replace("Name: api,", "Name: other,")
    second = second.replace("  Kept:", "  Added:").replace("Name: m,", "Name: n,")

    message = stack.refused(second + BROKEN + OUTPUTS)

    assert "Broken" in message
    assert "not undone" not in message
    actions = {(event["logicalId"], event["action"]) for event in stack.events if "action" in event}
    assert actions >= {("Function", "Update"), ("Client", "Update"), ("Domain", "Replace"), ("Added", "Create")}
    assert (stack.everything(), described(stack, made)) == before
    assert stack.call(made["Api"], "/").text == "first"
    assert stack.token(made["Pool"], made["Client"], scope="orders/read")
    stack.deploy(first + OUTPUTS)
    assert stack.changed() == {}
    stack.deploy(second + OUTPUTS)
    assert described(stack, made)["models"] == ["n"]
    assert described(stack, made)["domain"] == f"{stack.name}-two"
    stack.delete()
    assert stack.everything() == NOTHING


def described(stack: Stack, made: dict[str, Any]) -> Any:
    """What clients see of it, without the moments of change."""
    aws = stack.server.aws
    pool = aws("cognito-idp").describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
    client = aws("cognito-idp").describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Client"])
    function = aws("lambda").get_function_configuration(FunctionName=made["Function"])
    api = aws("apigatewayv2").get_api(ApiId=made["Api"])
    models = aws("apigatewayv2").get_models(ApiId=made["Api"])["Items"]
    return {
        "pool": {key: value for key, value in pool.items() if not key.endswith("Date")},
        "domain": pool["Domain"],
        "client": {key: value for key, value in client["UserPoolClient"].items() if not key.endswith("Date")},
        "code": function["CodeSha256"],
        "api": {key: value for key, value in api.items() if key != "ResponseMetadata"},
        "models": [model["Name"] for model in models],
    }


def test_what_stays_on_purpose_stays(stack: Stack) -> None:
    retained = WHOLE.replace("  Role:\n", "  Role:\n    DeletionPolicy: Retain\n")
    stack.deploy(retained + OUTPUTS)
    (role,) = stack.everything()["roles"]

    stack.delete()

    assert stack.done()["Role"] == "Retain"
    assert stack.everything() == {**NOTHING, "roles": [role]}
    iam = stack.server.aws("iam")
    iam.delete_role(RoleName=role)


def test_what_a_template_gives_up_and_retains_is_told(stack: Stack) -> None:
    other = "Resources:\n  Other: {Type: AWS::Cognito::UserPool}\n"
    pool = "  Pool: {Type: AWS::Cognito::UserPool, DeletionPolicy: Retain}\nOutputs: {Pool: {Value: !Ref Pool}}\n"
    kept = stack.deploy(other + pool)["Pool"]

    stack.deploy(other)

    assert stack.changed() == {"Pool": "Retain"}
    assert kept in stack.everything()["pools"]
    stack.server.aws("cognito-idp").delete_user_pool(UserPoolId=kept)
    stack.delete()


def test_what_was_deleted_by_hand_does_not_stop_a_deletion(stack: Stack) -> None:
    made = stack.deploy(WHOLE + OUTPUTS)
    stack.server.aws("apigatewayv2").delete_api(ApiId=made["Api"])
    stack.server.aws("lambda").delete_function(FunctionName=made["Function"])
    stack.server.aws("cognito-idp").delete_user_pool(UserPoolId=made["Pool"])

    stack.delete()

    assert stack.everything() == NOTHING
    with pytest.raises(SetupError, match="no stack"):
        stack.delete()


PROTECTED = WHOLE.replace(
    "Pool: {Type: AWS::Cognito::UserPool}",
    "Pool: {Type: AWS::Cognito::UserPool, Properties: {DeletionProtection: ACTIVE}}",
)


def test_what_cannot_be_undone_is_named_and_tried_again(stack: Stack) -> None:
    """A protected pool: neither a failed deployment nor a deletion can take it away, the next one does."""
    idp = stack.server.aws("cognito-idp")
    message = stack.refused(PROTECTED + BROKEN)
    (pool,) = stack.everything()["pools"]
    assert f"not undone, the next deployment tries again: Pool ({pool}): " in message
    assert message.index("Broken") < message.index("not undone")
    assert stack.everything() == {**NOTHING, "pools": [pool]}

    idp.update_user_pool(UserPoolId=pool, DeletionProtection="INACTIVE")
    made = stack.deploy(PROTECTED + OUTPUTS)
    assert stack.everything()["pools"] == [made["Pool"]]
    assert made["Pool"] != pool

    with pytest.raises(SetupError, match="Pool: InvalidParameterException"):
        stack.delete()
    assert stack.everything() == {**NOTHING, "pools": [made["Pool"]]}
    stacks = {each["name"]: each["status"] for each in Client(stack.server.url).own("GET", "stacks")["stacks"]}
    assert stacks[stack.name] == "DELETE_FAILED"
    idp.update_user_pool(UserPoolId=made["Pool"], DeletionProtection="INACTIVE")
    stack.delete()
    assert stack.everything() == NOTHING


def test_two_deployments_of_one_stack_do_not_mix(stack: Stack) -> None:
    results: list[str] = []

    def run() -> None:
        events = list(Client(stack.server.url).stream("POST", f"stacks/{stack.name}", body))
        results.append(events[-1].get("error", "deployed"))

    body = json.dumps({"template": WHOLE + OUTPUTS, "file": "template.yaml"}).encode()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert "deployed" in results
    assert all(result == "deployed" or "another deployment" in result for result in results)
    assert [len(ids) for ids in stack.everything().values()] == ONE_OF_EACH
    stack.delete()


# Killed

ONE_OF_EACH = [0, 1, 1, 1, 1]  # no REST API


def kill_after(stack: Stack, method: str, text: str, steps: int) -> int:
    """Kill the whole server once so many steps are told; how many were."""
    body = json.dumps({"template": text, "file": "template.yaml"}).encode()
    told = 0
    try:
        for event in Client(stack.server.url).stream(method, f"stacks/{stack.name}", body):
            told += event.get("state") == "done" and event["action"] != "Keep"
            if told >= steps:
                break
    finally:
        stack.server.kill()
    return told


def test_u3_a_killed_deployment_is_repaired_by_the_next(restart: Callable[[], Server], tmp_path: Path) -> None:
    """`kill -9` in a creation, a change and a deletion: the next deployment succeeds, and nothing is orphaned."""
    stack = Stack(restart(), tmp_path / "app", "killed")
    whole = with_answer(WHOLE, "first") + OUTPUTS

    assert kill_after(stack, "POST", whole, 5) == 5
    stack.server = restart()
    made = stack.deploy(whole)
    assert any("did not end" in note for note in stack.notes())
    assert stack.call(made["Api"], "/").text == "first"
    assert [len(ids) for ids in inventory(stack.server).values()] == ONE_OF_EACH

    second = with_answer(WHOLE, "second").replace("Name: api,", "Name: other,").replace("Name: orders", "Name: o2")
    assert kill_after(stack, "POST", second + OUTPUTS, 2) == 2
    stack.server = restart()
    stack.deploy(whole)
    assert stack.call(made["Api"], "/").text == "first"
    assert stack.server.aws("apigatewayv2").get_api(ApiId=made["Api"])["Name"] == "api"
    assert [len(ids) for ids in inventory(stack.server).values()] == ONE_OF_EACH

    assert kill_after(stack, "DELETE", "", 3) == 3
    stack.server = restart()
    made = stack.deploy(whole)
    assert stack.call(made["Api"], "/").text == "first"
    assert [len(ids) for ids in inventory(stack.server).values()] == ONE_OF_EACH
    stack.delete()
    assert inventory(stack.server) == NOTHING
    stack.server.stop()


def test_u3_a_deployment_killed_at_any_moment_orphans_nothing(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Not between the steps that are told, but whenever: inside a transaction, between two calls of one step."""
    for number in range(3):
        server = start_server("serve", "--dev", data_dir=tmp_path / "data")
        stack = Stack(server, tmp_path / "app", "killed")
        body = json.dumps({"template": WHOLE + OUTPUTS, "file": "template.yaml"}).encode()
        events = Client(server.url).stream("POST", f"stacks/{stack.name}", body)
        next(events)
        time.sleep(0.005 + 0.02 * number)  # not a wait: the moment of the kill
        server.kill()
    stack.server = start_server("serve", "--dev", data_dir=tmp_path / "data")

    stack.deploy(WHOLE + OUTPUTS)

    assert [len(ids) for ids in inventory(stack.server).values()] == ONE_OF_EACH
    stack.delete()
    assert inventory(stack.server) == NOTHING
    stack.server.stop()
