"""Validation errors in AWS's words, as recorded.

Source: reference, cognito 10.3, lambda 10.1, control plane of API Gateway 2.1 and 3.1.
"""

from typing import Any

import pytest

from scopegate.aws.constraints import validate
from scopegate.aws.models import SERVICES
from scopegate.aws.patterns import compile_pattern
from scopegate.base.errors import AwsError
from tests.rooms.aws.wires import MODELS

ROLE = "arn:aws:iam::000000000000:role/r"
FUNCTION = {"FunctionName": "f", "Role": ROLE, "Code": {}}


def refusal(service: str, operation: str, **members: Any) -> tuple[str, str]:
    with pytest.raises(AwsError) as refused:
        validate(MODELS.operation(service, operation), members)
    return refused.value.code, str(refused.value.message)


def sentence(service: str, operation: str, **members: Any) -> str:
    return refusal(service, operation, **members)[1].removeprefix("1 validation error detected: ")


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("cognito-idp", "DescribeUserPool", "InvalidParameterException"),
        ("apigateway", "GetRestApi", "ValidationException"),
        ("apigatewayv2", "GetApi", "BadRequestException"),
        ("lambda", "GetFunction", "ValidationException"),
        ("iam", "GetRole", "ValidationError"),
        ("cloudformation", "DeleteStack", "ValidationError"),
        ("logs", "CreateLogGroup", "InvalidParameterException"),
    ],
)
def test_each_service_has_its_own_code(service: str, operation: str, code: str) -> None:
    assert refusal(service, operation)[0] == code


def test_a_required_member_is_null() -> None:
    assert sentence("cognito-idp", "DescribeUserPool") == (
        "Value null at 'userPoolId' failed to satisfy constraint: Member must not be null"
    )


def test_body_members_of_rest_apis_stand_under_the_input() -> None:
    assert sentence("apigateway", "CreateAuthorizer", restApiId="a", type="TOKEN") == (
        "Value null at 'createAuthorizerInput.name' failed to satisfy constraint: Member must not be null"
    )


def test_labels_of_rest_apis_stand_bare() -> None:
    assert sentence("apigateway", "GetGatewayResponse", restApiId="a", responseType="NO").startswith(
        "Value 'NO' at 'responseType' failed to satisfy constraint: Member must satisfy enum value set: "
        "[REQUEST_TOO_LARGE, RESOURCE_NOT_FOUND, AUTHORIZER_CONFIGURATION_ERROR, MISSING_AUTHENTICATION_TOKEN, "
    )


def test_patch_operations_are_numbered_from_one() -> None:
    patches = [{"op": "add", "path": "/a"}, {"op": "wrong_op", "path": "/a"}]

    assert sentence("apigateway", "UpdateRestApi", restApiId="a", patchOperations=patches) == (
        "Value 'wrong_op' at 'updateRestApiInput.patchOperations.2.member.op' failed to satisfy constraint: "
        "Member must satisfy enum value set: [add, remove, move, test, replace, copy]"
    )


def test_a_list_item_is_refused_with_the_whole_list() -> None:
    configuration = {"types": ["wrong"]}

    assert sentence("apigateway", "CreateRestApi", name="a", endpointConfiguration=configuration) == (
        "Value '[wrong]' at 'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, REGIONAL]]"
    )


def test_list_items_of_lambda_may_not_be_null_either() -> None:
    assert sentence("lambda", "CreateFunction", **FUNCTION, Architectures=["x"]) == (
        "Value '[x]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )


def test_a_role_that_is_no_arn() -> None:
    assert refusal("lambda", "CreateFunction", FunctionName="f", Role="r1", Code={}) == (
        "ValidationException",
        "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular "
        r"expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
    )


def test_several_failures_are_told_in_one_answer() -> None:
    message = refusal("lambda", "CreateFunction", FunctionName="f", Role=ROLE, Code={}, Timeout=0, MemorySize=1)[1]

    assert message.startswith("2 validation errors detected: Value '")
    assert "at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1" in message
    assert message.count("; Value '") == 1


def test_length_comes_before_pattern() -> None:
    message = sentence("cognito-idp", "CreateResourceServer", UserPoolId="us-east-1_a", Identifier="", Name="n")

    first, second = message.removeprefix("2 validation errors detected: ").split("; ")
    assert first == (
        "Value '' at 'identifier' failed to satisfy constraint: Member must have length greater than or equal to 1"
    )
    assert "Member must satisfy regular expression pattern: " in second


def test_enum_of_cognito() -> None:
    assert sentence("cognito-idp", "CreateUserPool", PoolName="p", UserPoolTier="x") == (
        "Value 'x' at 'userPoolTier' failed to satisfy constraint: Member must satisfy enum value set: "
        "[LITE, ESSENTIALS, PLUS]"
    )


def test_enums_of_cognito_in_the_order_of_aws() -> None:
    assert sentence("cognito-idp", "CreateUserPool", PoolName="p", MfaConfiguration="SOMETIMES") == (
        "Value 'SOMETIMES' at 'mfaConfiguration' failed to satisfy constraint: Member must satisfy enum value set: "
        "[OPTIONAL, OFF, ON]"
    )
    client = {"UserPoolId": "us-east-1_a", "ClientName": "job", "AllowedOAuthFlows": ["password"]}
    assert sentence("cognito-idp", "CreateUserPoolClient", **client) == (
        "Value '[password]' at 'allowedOAuthFlows' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must satisfy enum value set: [implicit, client_credentials, code]]"
    )


def test_what_is_sensitive_is_not_repeated() -> None:
    message = sentence("cognito-idp", "SignUp", ClientId="c", Username="u", Password="a b" * 9)

    assert message == (
        "Value at 'password' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\S]+"
    )


def test_a_list_that_holds_something_sensitive_is_not_repeated() -> None:
    attributes = [{"Name": "n", "Value": "a" * 3_000}]
    message = sentence("cognito-idp", "SignUp", ClientId="c", Username="u", UserAttributes=attributes)

    assert message.startswith("Value at 'userAttributes.1.member.value' failed to satisfy constraint: ")


def test_maps_are_printed_as_java_prints_them() -> None:
    weights = {"AdditionalVersionWeights": {"2": 2.0}}

    assert sentence("lambda", "UpdateAlias", FunctionName="f", Name="a", RoutingConfig=weights) == (
        "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map value must "
        "satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or "
        "equal to 0.0, Member must not be null]"
    )


def test_map_keys_are_judged_too() -> None:
    weights = {"AdditionalVersionWeights": {"x": 0.5}}

    assert sentence("lambda", "UpdateAlias", FunctionName="f", Name="a", RoutingConfig=weights).endswith(
        "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have "
        "length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]"
    )


def test_null_items_are_refused() -> None:
    assert "Member must not be null" in sentence("cognito-idp", "CreateUserPool", PoolName="p", AliasAttributes=[None])
    assert sentence("cognito-idp", "CreateUserPool", PoolName="p", Schema=[None]) == (
        "Value null at 'schema.1.member' failed to satisfy constraint: Member must not be null"
    )


def test_words_that_an_operation_says_itself_are_left_to_it() -> None:
    """Reference, lambda 10.2 and control plane 3.5: these refusals have another form."""
    validate(MODELS.operation("lambda", "CreateFunction"), {**FUNCTION, "Runtime": "PYTHON3.9"})
    validate(MODELS.operation("apigatewayv2", "CreateApi"), {"Name": "a", "ProtocolType": "FTP"})
    assert "protocolType" in sentence("apigatewayv2", "CreateApi", Name="a"), "but it must be there"
    for route in ({}, {"RouteKey": ""}):
        assert refusal("apigatewayv2", "CreateRoute", ApiId="a", **route) == (
            "BadRequestException",
            "Route key is required",
        )


def test_every_pattern_of_every_service_compiles() -> None:
    for name in SERVICES:
        model = MODELS.service(name).model
        for shape_name in model.shape_names:
            pattern = model.shape_for(shape_name).metadata.get("pattern")
            if pattern is not None:
                compile_pattern(pattern)("x")


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "Ünï€7!", True),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "a b", False),
        (r"[^_\p{Z}]+", "a\u00a0", False),
        (r"\p{Lu}+x", "ÀBx", True),
        (r"[\w\s+=,.@-]+", "orders job", True),
        (r"[\w\s+=,.@-]+", "é", False),
        (r"[\w-_]*", "a-b_c", True),
        (r"^\S+$", "a\n", False),
        (r"[a-z]+", "abc\n", False),
        (r"\d{12}", "٠١٢٣٤٥٦٧٨٩٠١", False),
    ],
)
def test_patterns_mean_what_they_mean_in_java(pattern: str, value: str, matches: bool) -> None:
    assert (compile_pattern(pattern)(value) is not None) is matches
