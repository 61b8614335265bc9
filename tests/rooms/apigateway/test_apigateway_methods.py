"""Methods and method responses (reference, control plane, 1.4, 2.2, 3.2, 3.3)."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import FUNCTION_URI, Api, as_patches, refusal

NO_AUTHORIZER = (
    "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
    "requires a valid authorizer."
)


def where(api: Api, verb: str = "GET") -> dict[str, str]:
    return {"restApiId": api.id, "resourceId": api.root, "httpMethod": verb}


def patched(api: Api, *operations: tuple[str, ...]) -> Any:
    return api.client.update_method(**where(api), patchOperations=as_patches(*operations))


def patch_refusal(api: Api, *operations: tuple[str, ...]) -> tuple[str, str | None]:
    return refusal(api.client.update_method, **where(api), patchOperations=as_patches(*operations))


def test_empty_maps_come_back_as_given_and_absent_ones_stay_absent(api: Api) -> None:
    method = api.method(api.root, requestParameters={}, requestModels={})

    assert method == {
        "httpMethod": "GET",
        "authorizationType": "NONE",
        "apiKeyRequired": False,
        "requestParameters": {},
        "requestModels": {},
    }


@pytest.mark.parametrize("verb", ["get", "TRACE", "", "CONNECT", "*"])
def test_an_unknown_verb_is_refused(api: Api, verb: str) -> None:
    assert refusal(api.client.put_method, **where(api, verb), authorizationType="NONE") == (
        "BadRequestException",
        "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
    )


def test_a_method_that_exists_is_a_conflict(api: Api) -> None:
    api.method(api.root)

    assert refusal(api.client.put_method, **where(api), authorizationType="NONE") == (
        "ConflictException",
        "Method already exists for this resource",
    )


@pytest.mark.parametrize("kind", ["none", "None", "aws_iam"])
def test_authorization_types_are_read_in_any_case(api: Api, kind: str) -> None:
    """Recorded: AWS takes `none`."""
    assert api.method(api.root, authorizationType=kind)["authorizationType"] == kind.upper()
    patch = as_patches(("replace", "/authorizationType", kind))
    assert api.client.update_method(**where(api), patchOperations=patch)["authorizationType"] == kind.upper()


@pytest.mark.parametrize("kind", ["CUSTOM", "COGNITO_USER_POOLS"])
@pytest.mark.parametrize("members", [{}, {"authorizerId": "unknown"}])
def test_a_type_that_needs_an_authorizer_gets_one_that_exists(api: Api, kind: str, members: dict[str, str]) -> None:
    refused = refusal(api.client.put_method, **where(api), authorizationType=kind, **members)

    assert refused == ("BadRequestException", NO_AUTHORIZER)


def test_an_authorizer_of_another_api_is_unknown(api: Api) -> None:
    other = Api(api.client)

    refused = refusal(
        api.client.put_method, **where(api), authorizationType="COGNITO_USER_POOLS", authorizerId=other.authorizer()
    )

    assert refused == ("BadRequestException", NO_AUTHORIZER)


def test_an_authorizer_of_another_type_is_refused(api: Api) -> None:
    pool = api.authorizer()
    token = api.authorizer(name="token", type="TOKEN", authorizerUri=FUNCTION_URI)

    def put(kind: str, authorizer: str) -> tuple[str, str | None]:
        return refusal(api.client.put_method, **where(api), authorizationType=kind, authorizerId=authorizer)

    assert put("CUSTOM", pool) == ("BadRequestException", NO_AUTHORIZER)
    assert put("COGNITO_USER_POOLS", token) == ("BadRequestException", NO_AUTHORIZER)
    assert put("JWT", pool) == ("BadRequestException", NO_AUTHORIZER.replace("CUSTOM or COGNITO_USER_POOLS", "JWT"))


@pytest.mark.parametrize("kind", ["", "open", "COGNITO", "AWS"])
def test_an_unknown_authorization_type_is_refused(api: Api, kind: str) -> None:
    assert refusal(api.client.put_method, **where(api), authorizationType=kind) == (
        "BadRequestException",
        "Invalid authorization type specified. Valid options are NONE,AWS_IAM,CUSTOM,COGNITO_USER_POOLS",
    )


@pytest.mark.parametrize("kind", ["NONE", "AWS_IAM"])
def test_types_without_authorizer_keep_neither_authorizer_nor_scopes(api: Api, kind: str) -> None:
    method = api.method(
        api.root, authorizationType=kind, authorizerId=api.authorizer(), authorizationScopes=["orders/read"]
    )

    assert method == {"httpMethod": "GET", "authorizationType": kind, "apiKeyRequired": False}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"requestValidatorId": "unknown"}, "Invalid Request Validator identifier specified"),
        ({"requestModels": {"application/json": "Unknown"}}, "Invalid model identifier specified: Unknown"),
        (
            {"requestParameters": {"method.request.querystring.a": True, "method.request.header.a": False}},
            "Parameter names must be unique across querystring, header and path",
        ),
        (
            {"requestParameters": {"method.request.body.a": True}},
            "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
            "[Invalid mapping expression specified: method.request.body.a]",
        ),
        (
            {"requestModels": {"json": "Empty"}},
            "Validation Result: warnings : [], errors : [Invalid content type specified: json]",
        ),
    ],
)
def test_what_a_method_refers_to_must_exist(api: Api, members: dict[str, Any], message: str) -> None:
    assert refusal(api.client.put_method, **where(api), authorizationType="NONE", **members) == (
        "BadRequestException",
        message,
    )


def test_the_model_empty_always_passes(api: Api) -> None:
    api.client.delete_model(restApiId=api.id, modelName="Empty")

    assert api.method(api.root, requestModels={"application/json": "Empty"})["requestModels"] == {
        "application/json": "Empty"
    }


@pytest.mark.parametrize(
    "operation", ["get_method", "update_method", "delete_method", "get_integration", "delete_integration"]
)
def test_a_missing_method_is_told(api: Api, operation: str) -> None:
    assert refusal(getattr(api.client, operation), **where(api)) == (
        "NotFoundException",
        "Invalid Method identifier specified",
    )


def test_a_deleted_method_is_gone_from_its_resource(api: Api) -> None:
    api.method(api.root)

    api.client.delete_method(**where(api))

    assert "resourceMethods" not in api.client.get_resource(restApiId=api.id, resourceId=api.root)


# Patch operations


def test_type_and_authorizer_change_together(api: Api) -> None:
    api.method(api.root)
    authorizer = api.authorizer()

    changed = patched(
        api,
        ("replace", "/authorizationType", "COGNITO_USER_POOLS"),
        ("replace", "/authorizerId", authorizer),
        ("add", "/authorizationScopes", "orders/read"),
        ("add", "/authorizationScopes", "orders/write"),
    )

    assert changed["authorizerId"] == authorizer
    assert changed["authorizationScopes"] == ["orders/read", "orders/write"]
    assert patched(api, ("remove", "/authorizationScopes", "orders/read"))["authorizationScopes"] == ["orders/write"]
    assert "authorizationScopes" not in patched(api, ("remove", "/authorizationScopes", "orders/write"))
    assert api.client.get_method(**where(api)) == {
        "httpMethod": "GET",
        "authorizationType": "COGNITO_USER_POOLS",
        "authorizerId": authorizer,
        "apiKeyRequired": False,
    }


def test_an_authorizer_alone_is_ignored_on_an_open_method(api: Api) -> None:
    api.method(api.root)

    assert "authorizerId" not in patched(api, ("replace", "/authorizerId", "unknown"))


def test_a_type_alone_is_refused(api: Api) -> None:
    api.method(api.root)

    assert patch_refusal(api, ("replace", "/authorizationType", "CUSTOM")) == ("BadRequestException", NO_AUTHORIZER)


@pytest.mark.parametrize(("value", "stored"), [("true", True), ("TRUE", True), ("whatever", False), ("false", False)])
def test_booleans_are_true_in_any_case_and_else_false(api: Api, value: str, stored: bool) -> None:
    """Reference 2.3."""
    api.method(api.root, apiKeyRequired=True)

    assert patched(api, ("replace", "/apiKeyRequired", value))["apiKeyRequired"] is stored


def test_parameters_and_models_change_one_by_one(api: Api) -> None:
    api.method(api.root)

    changed = patched(
        api,
        ("add", "/requestParameters/method.request.querystring.page", "true"),
        ("add", "/requestModels/application~1json", "Empty"),
    )
    assert changed["requestParameters"] == {"method.request.querystring.page": True}
    assert changed["requestModels"] == {"application/json": "Empty"}

    changed = patched(
        api,
        ("replace", "/requestParameters/method.request.querystring.page", "false"),
        ("replace", "/requestModels/application~1json", "Error"),
    )
    assert changed["requestParameters"] == {"method.request.querystring.page": False}
    assert changed["requestModels"] == {"application/json": "Error"}

    changed = patched(
        api,
        ("remove", "/requestParameters/method.request.querystring.page", "x"),
        ("remove", "/requestModels/application~1json"),
    )
    assert "requestParameters" not in changed
    assert "requestModels" not in changed


def test_a_validator_is_attached_and_detached(api: Api) -> None:
    api.method(api.root)
    validator = api.client.create_request_validator(restApiId=api.id, name="all")["id"]

    assert patched(api, ("replace", "/requestValidatorId", validator))["requestValidatorId"] == validator
    assert "requestValidatorId" not in patched(api, ("replace", "/requestValidatorId", ""))


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        (
            ("replace", "/requestModels/application/json", "Empty"),
            ("BadRequestException", "Invalid patch path /requestModels/application/json"),
        ),
        (("add", "/requestParameters", "x"), ("BadRequestException", "Invalid patch path /requestParameters")),
        (("replace", "/httpMethod", "POST"), ("BadRequestException", "Invalid patch path /httpMethod")),
        (
            ("add", "/requestValidatorId", "x"),
            ("BadRequestException", "Invalid patch operation specified. Must be one of: [replace]"),
        ),
        (
            ("replace", "/authorizationScopes", "x"),
            ("BadRequestException", "Invalid patch operation specified. Must be one of: [add, remove]"),
        ),
        (
            ("replace", "/requestValidatorId", "unknown"),
            ("BadRequestException", "Invalid Request Validator identifier specified"),
        ),
        (
            ("add", "/requestModels/application~1json", "Unknown"),
            ("BadRequestException", "Invalid model identifier specified: Unknown"),
        ),
        (
            ("remove", "/requestParameters/method.request.header.x"),
            ("NotFoundException", "Invalid parameter name specified"),
        ),
    ],
)
def test_bad_operations_are_refused(api: Api, operation: tuple[str, ...], refused: tuple[str, str]) -> None:
    api.method(api.root)

    assert patch_refusal(api, operation) == refused


# Method responses


def test_a_method_response_comes_back_as_given(api: Api) -> None:
    api.method(api.root)

    bare = api.client.put_method_response(**where(api), statusCode="200")
    empty = api.client.put_method_response(**where(api), statusCode="201", responseModels={}, responseParameters={})

    assert bare == {"statusCode": "200"}
    assert empty == {"statusCode": "201", "responseModels": {}, "responseParameters": {}}
    assert api.client.get_method_response(**where(api), statusCode="201") == empty
    assert api.client.get_method(**where(api))["methodResponses"] == {"200": bare, "201": empty}


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"responseParameters": {"method.response.querystring.x": True}}, "BadRequestException"),
        ({"responseParameters": {"x": True}}, "BadRequestException"),
        ({"responseModels": {"application/json": "Unknown"}}, "BadRequestException"),
        ({"responseModels": {"json": "Empty"}}, "BadRequestException"),
    ],
)
def test_a_bad_method_response_is_refused(api: Api, members: dict[str, Any], code: str) -> None:
    api.method(api.root)

    assert refusal(api.client.put_method_response, **where(api), statusCode="200", **members)[0] == code


def test_a_status_code_is_put_once(api: Api) -> None:
    api.method(api.root)
    api.client.put_method_response(**where(api), statusCode="200")

    assert refusal(api.client.put_method_response, **where(api), statusCode="200") == (
        "ConflictException",
        "Response already exists for this resource",
    )


def test_a_method_response_changes_and_goes(api: Api) -> None:
    api.method(api.root)
    api.client.put_method_response(**where(api), statusCode="200")
    header = "/responseParameters/method.response.header.Location"

    def change(*operations: tuple[str, ...]) -> Any:
        patches = as_patches(*operations)
        return api.client.update_method_response(**where(api), statusCode="200", patchOperations=patches)

    changed = change(("add", header, "true"), ("add", "/responseModels/application~1json", "Error"))
    assert changed == {
        "statusCode": "200",
        "responseParameters": {"method.response.header.Location": True},
        "responseModels": {"application/json": "Error"},
    }
    assert change(("remove", header), ("remove", "/responseModels/application~1json")) == {"statusCode": "200"}

    api.client.delete_method_response(**where(api), statusCode="200")
    assert "methodResponses" not in api.client.get_method(**where(api))


@pytest.mark.parametrize("op", ["replace", "remove"])
def test_what_a_method_response_lacks_is_not_found(api: Api, op: str) -> None:
    api.method(api.root)
    api.client.put_method_response(**where(api), statusCode="200")

    def refuse(path: str) -> tuple[str, str | None]:
        return refusal(
            api.client.update_method_response,
            **where(api),
            statusCode="200",
            patchOperations=as_patches((op, path, "true")),
        )

    assert refuse("/responseParameters/method.response.header.x") == (
        "NotFoundException",
        "Invalid parameter name specified",
    )
    assert refuse("/responseModels/application~1json") == ("NotFoundException", "Content-Type specified was not found")
    assert refuse("/statusCode") == ("BadRequestException", "Invalid patch path /statusCode")


@pytest.mark.parametrize("operation", ["get_method_response", "update_method_response", "delete_method_response"])
def test_a_status_code_that_was_never_put_is_not_found(api: Api, operation: str) -> None:
    api.method(api.root)

    assert refusal(getattr(api.client, operation), **where(api), statusCode="404") == (
        "NotFoundException",
        "Invalid Response status code specified",
    )
