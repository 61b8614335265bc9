"""What is refused when a function is made or changed, in Lambda's words.

Source: reference, "Create and update", "Reserved names and limits"; recorded from AWS unless it says otherwise.
"""

from typing import Any

import pytest

from scopegate.functions.operations.configuration import BLOCKED_RUNTIMES, KNOWN_RUNTIMES
from tests.rooms.functions_operations.driver import ACCOUNT, MODEL, ROLE, Client, arn, refusal, zipped

INVALID = "InvalidParameterValueException"
VALIDATION = "ValidationException"
ONE = "1 validation error detected: "
UNABLE = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)
ROLE_PATTERN = r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"


def variables(**named: str) -> dict[str, Any]:
    return {"Environment": {"Variables": named}}


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no-runtime": (
        {"Runtime": None},
        INVALID,
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    ),
    "no-handler": (
        {"Handler": None},
        INVALID,
        "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
    ),
    "image": (
        {"PackageType": "Image", "Runtime": None, "Handler": None, "Code": {"ImageUri": "x/y:latest"}},
        INVALID,
        "Functions of package type Image are not supported yet",
    ),
    "role-pattern": (
        {"Role": "r1"},
        VALIDATION,
        f"{ONE}Value 'r1' at 'role' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {ROLE_PATTERN}",
    ),
    "role-without-slash": (
        {"Role": f"arn:aws:iam::{ACCOUNT}:rolefunctions"},
        INVALID,
        "The role defined for the function cannot be assumed by Lambda.",
    ),
    "role-of-no-partition": (
        {"Role": f"arn::iam::{ACCOUNT}:role/functions"},
        INVALID,
        "The role defined for the function cannot be assumed by Lambda.",
    ),
    "role-of-another-account": (
        {"Role": "arn:aws:iam::123456789012:role/functions"},
        "AccessDeniedException",
        "Cross-account pass role is not allowed.",
    ),
    "blocked-runtime": (
        {"Runtime": "python2.7"},
        INVALID,
        "The runtime parameter of python2.7 is no longer supported for creating or updating AWS Lambda functions. "
        "We recommend you use a supported runtime while creating or updating functions.",
    ),
    "runtime-that-is-not-run-here": (
        {"Runtime": "java21"},
        INVALID,
        "This server does not run java21: it runs Python, Node.js and provided bootstraps",
    ),
    "two-architectures": (
        {"Architectures": ["x86_64", "arm64"]},
        VALIDATION,
        f"{ONE}Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: "
        "Member must have length less than or equal to 1",
    ),
    "memory-too-small": (
        {"MemorySize": 127},
        VALIDATION,
        f"{ONE}Value '127' at 'memorySize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 128",
    ),
    "memory-too-large": (
        {"MemorySize": 10_241},
        INVALID,
        "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240",
    ),
    "no-time": (
        {"Timeout": 0},
        VALIDATION,
        f"{ONE}Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    "too-much-time": (
        {"Timeout": 901},
        INVALID,
        "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900",
    ),
    "small-tmp": (
        {"EphemeralStorage": {"Size": 511}},
        VALIDATION,
        f"{ONE}Value '511' at 'ephemeralStorage.size' failed to satisfy constraint: "
        "Member must have value greater than or equal to 512",
    ),
    "log-level-with-text": (
        {"LoggingConfig": {"ApplicationLogLevel": "DEBUG"}},
        INVALID,
        'LogLevel is not supported when LogFormat is set to "Text". '
        'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.',
    ),
    "snap-start": (
        {"SnapStart": {"ApplyOn": "PublishedVersions"}},
        INVALID,
        "python3.12 is not supported for SnapStart enabled functions.",
    ),
    "snap-start-word": (
        {"SnapStart": {"ApplyOn": "Always"}},
        VALIDATION,
        f"{ONE}Value 'Always' at 'snapStart.applyOn' failed to satisfy constraint: "
        "Member must satisfy enum value set: [PublishedVersions, None]",
    ),
    "layer": (
        {"Layers": [f"arn:aws:lambda:us-east-1:{ACCOUNT}:layer:l:1"]},
        INVALID,
        f"Layer version arn:aws:lambda:us-east-1:{ACCOUNT}:layer:l:1 does not exist.",
    ),
    "vpc": (
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}},
        INVALID,
        "Functions in a VPC are not supported yet",
    ),
    "file-system": (
        {
            "FileSystemConfigs": [
                {
                    "Arn": f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/fsap-0123456789abcdef0",
                    "LocalMountPath": "/mnt/x",
                }
            ]
        },
        INVALID,
        "FileSystemConfigs is not supported yet",
    ),
    "tenants": (
        {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}},
        INVALID,
        "TenancyConfig is not supported yet",
    ),
    "durable": ({"DurableConfig": {"ExecutionTimeout": 60}}, INVALID, "DurableConfig is not supported yet"),
    "publish-to": ({"Publish": True, "PublishTo": "LATEST_PUBLISHED"}, INVALID, "PublishTo is not supported yet"),
    "not-a-zip": (
        {"Code": {"ZipFile": b"this is no archive"}},
        INVALID,
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    "empty-code": (
        {"Code": {"ZipFile": b""}},
        INVALID,
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    ),
    "too-large-a-zip": (
        {"Code": {"ZipFile": bytes(52_428_801)}},
        "RequestEntityTooLargeException",
        "Zipped size must be smaller than 52428800 bytes",
    ),
    "no-code": ({"Code": {}}, INVALID, "Please provide a source for function code."),
    "two-sources": (
        {"Code": {"ZipFile": zipped(), "S3Bucket": "bucket", "S3Key": "key"}},
        INVALID,
        "Please provide a source for function code.",
    ),
    "bucket": (
        {"Code": {"S3Bucket": "bucket", "S3Key": "key"}},
        INVALID,
        "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
        "S3 Error Message: The specified bucket does not exist",
    ),
    "too-many-tags": (
        {"Tags": {f"k{number}": "v" for number in range(51)}},
        INVALID,
        "Number of tags exceeds resource tag limit.",
    ),
}


@pytest.mark.parametrize(("members", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_a_create_is_refused(client: Client, members: dict[str, Any], code: str, message: str) -> None:
    request = {
        "FunctionName": "orders",
        "Runtime": "python3.12",
        "Role": ROLE,
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped()},
        **members,
    }
    asked = {name: value for name, value in request.items() if value is not None}

    assert refusal(client.create_function, **asked) == (code, message)
    assert client.list_functions()["Functions"] == []


ON_CREATE_ONLY = {
    "no-runtime",
    "no-handler",
    "image",
    "two-architectures",
    "tenants",
    "publish-to",
    "not-a-zip",
    "empty-code",
    "too-large-a-zip",
    "no-code",
    "two-sources",
    "bucket",
    "too-many-tags",
}
ON_UPDATE = {name: case for name, case in REFUSED.items() if name not in ON_CREATE_ONLY}


@pytest.mark.parametrize(("members", "code", "message"), ON_UPDATE.values(), ids=ON_UPDATE)
def test_an_update_is_refused_for_the_same_and_changes_nothing(
    client: Client, members: dict[str, Any], code: str, message: str
) -> None:
    client.make()
    before = client.configuration()

    assert refusal(client.update_function_configuration, FunctionName="orders", **members) == (code, message)
    assert client.configuration() == before


@pytest.mark.parametrize("name", ["not-a-zip", "empty-code", "too-large-a-zip", "no-code", "two-sources", "bucket"])
def test_new_code_is_refused_for_the_same_and_changes_nothing(client: Client, name: str) -> None:
    members, code, message = REFUSED[name]
    client.make()
    before = client.configuration()

    assert refusal(client.update_function_code, FunctionName="orders", **members["Code"]) == (code, message)
    assert client.configuration() == before


def test_new_code_from_an_image_is_refused(client: Client) -> None:
    client.make()

    assert refusal(client.update_function_code, FunctionName="orders", ImageUri="x/y:latest") == (
        INVALID,
        "Please don't provide ImageUri when updating a function with packageType Zip.",
    )


@pytest.mark.parametrize("runtime", ["PYTHON3.9", "python9.9", "nodejs22", "custom.x", "python3.12 "])
def test_an_unknown_runtime_is_told_the_known_ones(client: Client, runtime: str) -> None:
    """No quotes round the value and no count before it; the enum in the service's own order, recorded 2026-01."""
    code, message = refusal(client.make, Runtime=runtime)

    assert code == INVALID
    assert message is not None
    assert message.startswith(
        f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs20.x, "
    )
    assert message.endswith("java8.al2] or be a valid ARN")


@pytest.mark.parametrize("runtime", ["python3.6", "nodejs12.x"])
def test_a_blocked_runtime_runs_where_its_language_is_here(client: Client, runtime: str) -> None:
    """Design, "Functions": templates keep old names; `--strict-runtimes` refuses them as Lambda does."""
    assert client.make(Runtime=runtime)["Runtime"] == runtime

    code, message = refusal(client.with_settings(strict_runtimes=True).make, Runtime=runtime)

    assert code == INVALID
    assert message.startswith(f"The runtime parameter of {runtime} is no longer supported")


def test_every_runtime_of_the_model_is_known_or_blocked() -> None:
    assert sorted(KNOWN_RUNTIMES | BLOCKED_RUNTIMES) == sorted(MODEL.shape_for("Runtime").enum)
    assert not KNOWN_RUNTIMES & BLOCKED_RUNTIMES


def test_a_runtime_version_that_is_not_here_is_refused_when_the_operator_says_so(client: Client) -> None:
    """Design, "Functions": the nearest version runs with a warning; `--strict-runtimes` refuses."""
    strict = client.with_settings(strict_runtimes=True)

    code, message = refusal(strict.make, Runtime="python3.15")

    assert code == INVALID
    assert message is not None
    assert message.startswith("python3.15 is not installed (found: ")
    assert message.endswith("and --strict-runtimes refuses another version")
    assert client.make(Runtime="python3.15")["Runtime"] == "python3.15"


def test_reserved_variables_are_named(client: Client) -> None:
    asked = variables(AWS_REGION="x", AWS_LAMBDA_FUNCTION_NAME="y", MINE="z", LAMBDA_TASK_ROOT="/")

    assert refusal(client.make, **asked) == (
        INVALID,
        f"{UNABLE}contains reserved keys that are currently not supported for modification. "
        "Reserved keys used in this request: AWS_LAMBDA_FUNCTION_NAME, AWS_REGION, LAMBDA_TASK_ROOT",
    )


@pytest.mark.parametrize("name", ["LANG", "PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "NODE_PATH", "TZ", "AWS_XRAY_X"])
def test_variables_that_may_be_overridden_are_taken(client: Client, name: str) -> None:
    assert client.make(**variables(**{name: "x"}))["Environment"] == {"Variables": {name: "x"}}


@pytest.mark.parametrize("name", ["A", "_HANDLER", "1A", "A-B", "A B", "A.B", "Ä1", "A=B", ""])
def test_a_variable_has_a_name_that_a_shell_takes(client: Client, name: str) -> None:
    code, message = refusal(client.make, **variables(**{name: "x"}))

    assert code == VALIDATION
    assert message is not None
    assert "at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [" in message


def test_variables_are_measured_as_compact_json(client: Client) -> None:
    """4096 bytes of it (recorded); characters beyond ASCII count as what they take."""
    fits = "x" * (4096 - len('{"AB":""}'))

    assert client.make(**variables(AB=fits))["Environment"]["Variables"] == {"AB": fits}
    assert refusal(client.make, name="other", **variables(AB=fits + "x")) == (
        INVALID,
        f'{UNABLE}exceeded the 4KB limit. String measured: {{"AB":"{fits}x"}}',
    )
    assert refusal(client.make, name="other", **variables(AB="é" * 2048))[0] == INVALID


def test_a_variable_that_no_process_can_have_is_refused(client: Client) -> None:
    assert refusal(client.make, **variables(AB="x\0y"))[0] == "SerializationException"


def test_a_long_name_is_refused_by_the_create_alone(client: Client) -> None:
    """The model allows 140 characters; 64 are allowed (recorded: not a ValidationException)."""
    name = "a" * 65

    assert client.make("a" * 64)["FunctionName"] == "a" * 64
    assert refusal(client.make, name=name) == (
        INVALID,
        f"{ONE}Value '{name}' at 'functionName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64",
    )
    assert refusal(client.get_function, FunctionName=name) == (
        "ResourceNotFoundException",
        f"Function not found: {arn(name)}",
    )
    assert refusal(client.make, name="a" * 141)[0] == VALIDATION


def test_a_name_that_is_taken_is_a_conflict(client: Client) -> None:
    client.make()

    assert refusal(client.make) == ("ResourceConflictException", "Function already exist: orders")


def test_all_failing_members_are_told_in_one_answer(client: Client) -> None:
    code, message = refusal(client.make, Timeout=0, MemorySize=1)

    assert code == VALIDATION
    assert message is not None
    assert message.startswith("2 validation errors detected: ")
    assert "'memorySize'" in message
    assert "'timeout'" in message


# What is not there


@pytest.mark.parametrize("qualifier", [None, "$LATEST", "1221", "live"])
def test_an_unknown_function_is_named_as_it_was_asked_for(client: Client, qualifier: str | None) -> None:
    asked = {"FunctionName": "nobody", **({"Qualifier": qualifier} if qualifier else {})}
    named = arn("nobody") + (f":{qualifier}" if qualifier else "")

    missing = ("ResourceNotFoundException", f"Function not found: {named}")
    assert refusal(client.get_function, **asked) == missing
    assert refusal(client.get_function_configuration, **asked) == missing
    # DeleteFunction names the function without the qualifier (recorded).
    assert refusal(client.delete_function, **asked)[1] == f"Function not found: {arn('nobody')}"


def test_updates_of_an_unknown_function_come_before_what_is_wrong_with_them(client: Client) -> None:
    missing = ("ResourceNotFoundException", f"Function not found: {arn('nobody')}")

    assert refusal(client.update_function_code, FunctionName="nobody", ZipFile=b"x") == missing
    assert refusal(client.update_function_configuration, FunctionName="nobody", Runtime="python3.7") == missing
    assert refusal(client.publish_version, FunctionName="nobody") == missing


def test_versions_and_aliases_are_not_updated(client: Client) -> None:
    client.make(Publish=True)
    client.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
    before = client.configuration()

    for name in ("orders:1", "orders:live"):
        assert refusal(client.update_function_configuration, FunctionName=name, Timeout=5)[0] == INVALID
        assert refusal(client.update_function_code, FunctionName=name, ZipFile=zipped("x = 1"))[0] == INVALID
        assert refusal(client.publish_version, FunctionName=name)[0] == INVALID
    assert client.configuration() == before


def test_a_wrong_word_for_versions_is_told_the_right_one(client: Client) -> None:
    assert refusal(client.list_functions, FunctionVersion="invalid") == (
        VALIDATION,
        f"{ONE}Value 'invalid' at 'functionVersion' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ALL]",
    )
