"""Functions: made, read, changed, listed, deleted. Member sets as recorded from AWS, 2025-11."""

import base64
import hashlib
import re
from typing import Any

import pytest

from tests.rooms.functions_operations.driver import (
    ACCOUNT,
    ROLE,
    Client,
    Server,
    arn,
    refusal,
    without,
    zipped,
)

# Reference, "States": what a create answers, 2025-11.
CREATED = {
    "Architectures": ["x86_64"],
    "Description": "",
    "EphemeralStorage": {"Size": 512},
    "FunctionArn": arn(),
    "FunctionName": "orders",
    "Handler": "app.handler",
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/orders"},
    "MemorySize": 128,
    "PackageType": "Zip",
    "Role": ROLE,
    "Runtime": "python3.12",
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    "State": "Pending",
    "StateReason": "The function is being created.",
    "StateReasonCode": "Creating",
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
    "Version": "$LATEST",
}
DRAWN = ("CodeSha256", "CodeSize", "LastModified", "RevisionId", "RuntimeVersionConfig")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
NEVER_SET = {"Environment", "DeadLetterConfig", "Layers", "VpcConfig", "KMSKeyArn"}


def sha256(packed: bytes) -> str:
    return base64.b64encode(hashlib.sha256(packed).digest()).decode()


def test_a_create_is_answered_as_pending(client: Client) -> None:
    created = client.make()

    assert without(created, *DRAWN) == CREATED
    assert created["CodeSha256"] == sha256(zipped())
    assert created["CodeSize"] == len(zipped())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", created["LastModified"])
    assert UUID.fullmatch(created["RevisionId"])
    assert re.fullmatch(
        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}", created["RuntimeVersionConfig"]["RuntimeVersionArn"]
    )


def test_a_function_is_active_when_the_create_is_answered(client: Client) -> None:
    created = client.make()

    configuration = client.configuration()

    gone = {"State", "StateReason", "StateReasonCode", "RevisionId"}
    assert without(configuration, *gone, "LastUpdateStatus") == without(created, *gone)
    assert (configuration["State"], configuration["LastUpdateStatus"]) == ("Active", "Successful")
    assert configuration["RevisionId"] != created["RevisionId"]
    assert not configuration.keys() & NEVER_SET


def test_what_is_asked_for_is_what_is_answered(client: Client) -> None:
    asked: dict[str, Any] = {
        "Architectures": ["arm64"],
        "Description": "all orders",
        "EphemeralStorage": {"Size": 1024},
        "Environment": {"Variables": {"STAGE": "test"}},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/orders"},
        "MemorySize": 256,
        "Timeout": 900,
        "TracingConfig": {"Mode": "Active"},
        "KMSKeyArn": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1",
        "DeadLetterConfig": {"TargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"},
    }

    created = client.make(**asked)

    levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    asked["LoggingConfig"] |= levels
    assert {name: created[name] for name in asked} == asked
    assert {name: client.configuration()[name] for name in asked} == asked


def test_get_function_adds_the_code_and_what_was_set(client: Client) -> None:
    client.make()
    bare = client.get_function(FunctionName="orders")
    client.tag_resource(Resource=arn(), Tags={"team": "orders"})
    client.put_function_concurrency(FunctionName="orders", ReservedConcurrentExecutions=5)

    furnished = client.get_function(FunctionName="orders")

    digest = hashlib.sha256(zipped()).hexdigest()
    assert bare.keys() == {"Configuration", "Code"}
    assert bare["Code"] == {"RepositoryType": "S3", "Location": f"https://code/{digest}"}
    assert bare["Configuration"] == client.configuration() | {"RevisionId": bare["Configuration"]["RevisionId"]}
    assert furnished["Tags"] == {"team": "orders"}
    assert furnished["Concurrency"] == {"ReservedConcurrentExecutions": 5}


def test_a_create_with_publish_names_the_version(client: Client) -> None:
    """Recorded 2025-11: the ARN stays unqualified."""
    created = client.make(Publish=True)

    assert (created["FunctionArn"], created["Version"]) == (arn(), "1")
    assert client.configuration("orders:1")["Version"] == "1"


def test_an_update_is_answered_as_in_progress(client: Client) -> None:
    """Recorded: the reason of an update reads as that of a create (sic)."""
    client.make()
    before = client.configuration()

    answer = client.update_function_configuration(FunctionName="orders", Timeout=10)

    after = client.configuration()
    assert answer["State"] == "Active"
    assert answer["LastUpdateStatus"] == "InProgress"
    assert answer["LastUpdateStatusReason"] == "The function is being created."
    assert answer["LastUpdateStatusReasonCode"] == "Creating"
    assert after["LastUpdateStatus"] == "Successful"
    assert "LastUpdateStatusReason" not in after
    assert len({before["RevisionId"], answer["RevisionId"], after["RevisionId"]}) == 3
    assert without(after, "RevisionId", "LastModified") == without(
        before | {"Timeout": 10}, "RevisionId", "LastModified"
    )


def test_an_update_that_changes_nothing_gives_a_new_revision(client: Client) -> None:
    client.make()
    before = client.configuration()["RevisionId"]

    assert client.change()["RevisionId"] != before


def test_a_stale_revision_changes_nothing(client: Client) -> None:
    client.make()
    fresh = client.configuration()["RevisionId"]
    stale = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    )

    client.update_function_configuration(FunctionName="orders", RevisionId=fresh, Timeout=9)

    again = {"FunctionName": "orders", "RevisionId": fresh}
    assert refusal(client.update_function_configuration, **again, Timeout=8) == stale
    assert refusal(client.update_function_code, **again, ZipFile=zipped("x = 1")) == stale
    assert refusal(client.publish_version, **again) == stale
    assert client.configuration()["Timeout"] == 9


def test_the_environment_is_replaced_as_a_whole(client: Client) -> None:
    client.make(Environment={"Variables": {"FIRST": "1", "SECOND": "2"}})

    assert client.change(Timeout=4)["Environment"] == {"Variables": {"FIRST": "1", "SECOND": "2"}}
    assert client.change(Environment={"Variables": {"THIRD": "3"}})["Environment"] == {"Variables": {"THIRD": "3"}}
    assert client.change(Environment={"Variables": {}})["Environment"] == {"Variables": {}}


def test_variables_are_sealed_in_the_store(client: Client, server: Server) -> None:
    client.make(Environment={"Variables": {"PASSWORD": "correct-horse"}}, Publish=True)
    client.update_function_configuration(FunctionName="orders", Description="again")

    stored = b"".join(path.read_bytes() for path in server.settings.data_dir.parent.glob("scopegate.db*"))

    assert b"python3.12" in stored
    assert b"correct-horse" not in stored


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ([], {"LogFormat": "Text", "LogGroup": "/aws/lambda/orders"}),
        (
            [{"LogFormat": "JSON"}],
            {
                "LogFormat": "JSON",
                "LogGroup": "/aws/lambda/orders",
                "ApplicationLogLevel": "INFO",
                "SystemLogLevel": "INFO",
            },
        ),
        (
            [{"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}, {"LogGroup": "/mine"}],
            {"LogFormat": "JSON", "LogGroup": "/mine", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "INFO"},
        ),
        (
            [{"LogFormat": "JSON", "SystemLogLevel": "WARN"}, {"LogFormat": "Text"}],
            {"LogFormat": "Text", "LogGroup": "/aws/lambda/orders"},
        ),
    ],
    ids=["default", "json", "members-that-are-left-out-stay", "levels-go-with-text"],
)
def test_the_logging_configuration_is_merged(client: Client, changes: list[Any], shown: dict[str, str]) -> None:
    """Reference, "LoggingConfig"."""
    client.make()

    for change in changes:
        client.update_function_configuration(FunctionName="orders", LoggingConfig=change)

    assert client.configuration()["LoggingConfig"] == shown


def test_an_empty_text_removes_a_dead_letter_queue_and_a_key(client: Client) -> None:
    """Reference, "Event (asynchronous)": an empty structure changes nothing."""
    target = {"TargetArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:queue"}
    client.make(DeadLetterConfig=target, KMSKeyArn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1")

    assert client.change(DeadLetterConfig={})["DeadLetterConfig"] == target
    changed = client.change(DeadLetterConfig={"TargetArn": ""}, KMSKeyArn="")
    assert not changed.keys() & {"DeadLetterConfig", "KMSKeyArn"}


def test_new_code_changes_the_digest_and_nothing_else(client: Client) -> None:
    client.make()
    before = client.configuration()
    packed = zipped("def handler(event, context):\n    return 2\n")

    client.update_function_code(FunctionName="orders", ZipFile=packed, Architectures=["arm64"])

    after = client.configuration()
    drawn = ("RevisionId", "LastModified")
    expected = before | {"CodeSha256": sha256(packed), "CodeSize": len(packed), "Architectures": ["arm64"]}
    assert without(after, *drawn) == without(expected, *drawn)


def test_a_dry_run_shows_what_would_be(client: Client) -> None:
    client.make()
    before = client.configuration()
    packed = zipped("x = 1")

    answer = client.update_function_code(FunctionName="orders", ZipFile=packed, DryRun=True)

    assert answer == before | {"CodeSha256": sha256(packed), "CodeSize": len(packed)}
    assert client.configuration() == before


def test_new_code_with_publish_answers_the_version_as_pending(client: Client) -> None:
    """Recorded 2025-11: the ARN is qualified, and there is no last update yet."""
    client.make(Publish=True)

    answer = client.update_function_code(FunctionName="orders", ZipFile=zipped("x = 1"), Publish=True)
    same = client.update_function_code(FunctionName="orders", ZipFile=zipped("x = 1"), Publish=True)

    assert (answer["FunctionArn"], answer["Version"], answer["State"]) == (f"{arn()}:2", "2", "Pending")
    assert "LastUpdateStatus" not in answer
    assert (same["Version"], same["State"], same["LastUpdateStatus"]) == ("2", "Active", "Successful")


def test_deletion_is_whole_and_a_name_may_be_used_again(client: Client) -> None:
    client.make(Publish=True, Environment={"Variables": {"OLD": "1"}}, Tags={"old": "1"})
    client.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
    client.add_permission(
        FunctionName="orders:live", StatementId="s", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    client.put_function_event_invoke_config(FunctionName="orders", MaximumRetryAttempts=0)

    assert client.delete_function(FunctionName="orders") == {"StatusCode": 204}
    client.make()

    fresh = client.get_function(FunctionName="orders")
    assert "Environment" not in fresh["Configuration"]
    assert "Tags" not in fresh
    for name in ("orders:1", "orders:live"):
        assert refusal(client.get_function, FunctionName=name)[0] == "ResourceNotFoundException"
        assert refusal(client.get_policy, FunctionName=name)[0] == "ResourceNotFoundException"
    assert refusal(client.get_function_event_invoke_config, FunctionName="orders")[0] == "ResourceNotFoundException"


def test_a_write_says_which_function_changed(client: Client, server: Server) -> None:
    client.make()

    assert {(change.kind, change.key) for change in server.changes} == {("function", f"{ACCOUNT} us-east-1 orders")}
    assert server.view.find_function(arn()) is not None
    client.delete_function(FunctionName="orders")
    assert server.view.find_function(arn()) is None


# Lists


def test_lists_leave_out_the_state(client: Client) -> None:
    client.make()

    (listed,) = client.list_functions()["Functions"]

    gone = ("State", "LastUpdateStatus", "RuntimeVersionConfig")
    assert listed == without(client.configuration(), *gone)


def test_functions_are_paged_by_name(client: Client) -> None:
    names = ["a", "a-b", "a_b", "B", "b", "c"]
    for name in names:
        client.make(name)
    client.elsewhere(account="123456789012").make("foreign")
    client.elsewhere(region="eu-west-1").make("far")

    seen, marker, pages = [], None, 0
    while True:
        page = client.list_functions(MaxItems=2, **({"Marker": marker} if marker else {}))
        seen += [function["FunctionName"] for function in page["Functions"]]
        pages += 1
        marker = page.get("NextMarker")
        if marker is None:
            break

    assert sorted(seen) == sorted(names)
    assert pages == 3


def test_all_versions_are_listed_with_qualified_arns(client: Client) -> None:
    client.make("a", Publish=True)
    client.make("b")
    client.update_function_code(FunctionName="a", ZipFile=zipped("x = 1"), Publish=True)

    everything = client.list_functions(FunctionVersion="ALL")["Functions"]
    plain = client.list_functions()["Functions"]

    wanted = ["a:$LATEST", "a:1", "a:2", "b:$LATEST"]
    assert [each["FunctionArn"] for each in everything] == [arn(name) for name in wanted]
    assert [each["FunctionArn"] for each in plain] == [arn("a"), arn("b")]


def test_a_page_holds_fifty_at_most(client: Client) -> None:
    for number in range(51):
        client.make(f"f{number:02d}")

    first = client.list_functions(MaxItems=10_000)

    assert len(first["Functions"]) == 50
    assert [each["FunctionName"] for each in client.list_functions(Marker=first["NextMarker"])["Functions"]] == ["f50"]


@pytest.mark.parametrize("marker", ["", "a", "a 0000000001", "' OR 1=1 --", "\U0001f600", "x" * 5000, "%"])
def test_u2_a_marker_reaches_nobody_elses_functions(client: Client, marker: str) -> None:
    """It is a place in the caller's own list, whatever it says."""
    client.make("a", Publish=True)
    client.make("b")
    client.elsewhere(account="123456789012").make("secret")

    for members in ({}, {"FunctionVersion": "ALL"}):
        found = client.list_functions(Marker=marker, **members)["Functions"]
        assert {each["FunctionName"] for each in found} <= {"a", "b"}


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_a_page_has_a_size(client: Client, size: int) -> None:
    code, message = refusal(client.list_functions, MaxItems=size)

    assert code == "ValidationException"
    assert message is not None
    assert "at 'maxItems' failed to satisfy constraint: Member must have value" in message
