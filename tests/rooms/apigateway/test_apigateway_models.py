"""Models, request validators and gateway responses (reference, control plane, 1.4, 2.2, 3.2, 3.3, 5.2, 5.3)."""

import json
from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, Api, Client, as_patches, refusal

OBJECT = '{"type":"object"}'


def model(api: Api, name: str, schema: str = OBJECT, **members: str) -> Any:
    return api.client.create_model(
        restApiId=api.id, name=name, contentType="application/json", schema=schema, **members
    )


def test_a_new_api_has_the_two_default_models(api: Api) -> None:
    models = {each["name"]: each for each in api.client.get_models(restApiId=api.id)["items"]}

    assert set(models) == {"Empty", "Error"}
    assert models["Empty"]["description"] == "This is a default empty schema model"
    assert json.loads(models["Empty"]["schema"])["title"] == "Empty Schema"
    assert models["Error"]["description"] == "This is a default error schema model"
    assert json.loads(models["Error"]["schema"])["properties"] == {"message": {"type": "string"}}


def test_a_model_is_found_by_name(api: Api) -> None:
    created = model(api, "Pet", description="a pet")

    assert created == {
        "id": created["id"],
        "name": "Pet",
        "contentType": "application/json",
        "schema": OBJECT,
        "description": "a pet",
    }
    assert api.client.get_model(restApiId=api.id, modelName="Pet") == created


@pytest.mark.parametrize(
    ("members", "refused"),
    [
        ({"name": ""}, ("BadRequestException", "Model name must be non-empty")),
        ({"name": "a-b"}, ("BadRequestException", "Model name must be alphanumeric: a-b")),
        ({"name": "Empty"}, ("ConflictException", "Model name already exists for this REST API")),
        (
            {"schema": ""},
            ("BadRequestException", "Model schema must have at least 1 property or array items defined"),
        ),
        (
            {"schema": "{"},
            (
                "BadRequestException",
                "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]",
            ),
        ),
    ],
)
def test_a_bad_model_is_refused(api: Api, members: dict[str, str], refused: tuple[str, str]) -> None:
    wanted = {"name": "Pet", "schema": "{}", "contentType": "application/json", **members}

    assert refusal(api.client.create_model, restApiId=api.id, **wanted) == refused


@pytest.mark.parametrize("schema", ["[]", "1", "null", '{"$ref":"Other"}', "[" * 100_000])
def test_a_schema_is_an_object_with_canonical_references(api: Api, schema: str) -> None:
    refused = refusal(
        api.client.create_model, restApiId=api.id, name="Pet", contentType="application/json", schema=schema
    )

    assert refused[0] == "BadRequestException"


@pytest.mark.parametrize("operation", ["get_model", "update_model", "delete_model", "get_model_template"])
@pytest.mark.parametrize("known_api", [True, False])
def test_an_unknown_model_is_told_by_name(api: Api, operation: str, known_api: bool) -> None:
    api_id = api.id if known_api else "unknown"

    assert refusal(getattr(api.client, operation), restApiId=api_id, modelName="Pet") == (
        "NotFoundException",
        "Invalid model name specified: Pet",
    )


def test_create_names_the_unknown_api(client: Client) -> None:
    assert refusal(
        client.create_model, restApiId="unknown", name="Pet", contentType="application/json", schema="{}"
    ) == (
        "NotFoundException",
        f"Invalid API identifier specified {ACCOUNT}:unknown",
    )


def test_a_model_changes_by_patch(api: Api) -> None:
    model(api, "Pet")

    changed = api.client.update_model(
        restApiId=api.id,
        modelName="Pet",
        patchOperations=as_patches(("replace", "/schema", "{}"), ("replace", "/description", "new")),
    )

    assert (changed["schema"], changed["description"]) == ("{}", "new")
    for operation, message in (
        (
            ("replace", "/x", "y"),
            "Invalid patch path  '/x' specified for op 'replace'. Must be one of: [/description, /schema]",
        ),
        (("add", "/x", "y"), "Invalid patch path  '/x' specified for op 'add'. Please choose supported operations"),
        (("replace", "/schema", ""), "Model schema must have at least 1 property or array items defined"),
    ):
        patches = as_patches(operation)
        assert refusal(api.client.update_model, restApiId=api.id, modelName="Pet", patchOperations=patches) == (
            "BadRequestException",
            message,
        )


@pytest.mark.parametrize(
    ("verb", "parts", "shown"), [("ANY", (), "//ANY"), ("ANY", ("test",), "/test/ANY"), ("GET", ("a", "b"), "/a/b/GET")]
)
def test_a_model_in_use_stays(api: Api, verb: str, parts: tuple[str, ...], shown: str) -> None:
    model(api, "Pet")
    api.method(api.resource(*parts), verb, requestModels={"application/json": "Pet"})

    assert refusal(api.client.delete_model, restApiId=api.id, modelName="Pet") == (
        "ConflictException",
        f"Cannot delete model 'Pet', is referenced in method request: {shown}",
    )


def test_a_model_that_another_refers_to_stays(api: Api) -> None:
    model(api, "Pet")
    model(
        api, "Pets", json.dumps({"items": {"$ref": f"https://apigateway.amazonaws.com/restapis/{api.id}/models/Pet"}})
    )

    assert refusal(api.client.delete_model, restApiId=api.id, modelName="Pet")[0] == "ConflictException"
    api.client.delete_model(restApiId=api.id, modelName="Pets")
    api.client.delete_model(restApiId=api.id, modelName="Pet")


def test_flatten_brings_referenced_models_in(api: Api) -> None:
    """Also models that refer to themselves."""
    base = f"https://apigateway.amazonaws.com/restapis/{api.id}/models"
    model(api, "Node", json.dumps({"properties": {"next": {"$ref": f"{base}/Node"}}}))
    model(api, "Tree", json.dumps({"properties": {"root": {"$ref": f"{base}/Node"}}}))

    flat = api.client.get_model(restApiId=api.id, modelName="Tree", flatten=True)

    assert json.loads(flat["schema"]) == {
        "properties": {"root": {"$ref": "#/definitions/Node"}},
        "definitions": {"Node": {"properties": {"next": {"$ref": "#/definitions/Node"}}}},
    }
    template = api.client.get_model_template(restApiId=api.id, modelName="Tree")
    assert template["value"].startswith("#set($inputRoot = $input.path('$'))\n{")


# Request validators


def test_a_validator_checks_nothing_until_told(api: Api) -> None:
    created = api.client.create_request_validator(restApiId=api.id, name="none")

    assert created == {
        "id": created["id"],
        "name": "none",
        "validateRequestBody": False,
        "validateRequestParameters": False,
    }
    assert api.client.get_request_validators(restApiId=api.id) == {"items": [created]}
    assert api.client.get_request_validator(restApiId=api.id, requestValidatorId=created["id"]) == created


@pytest.mark.parametrize("members", [{}, {"name": ""}, {"name": " "}])
def test_a_validator_has_a_name(api: Api, members: dict[str, str]) -> None:
    assert refusal(api.client.create_request_validator, restApiId=api.id, **members) == (
        "BadRequestException",
        "Request Validator name cannot be blank",
    )


def test_unknown_apis_are_told_in_three_ways(client: Client) -> None:
    """Reference 3.2."""
    assert refusal(client.create_request_validator, restApiId="x", name="v") == (
        "BadRequestException",
        "Invalid REST API identifier specified",
    )
    assert refusal(client.get_request_validator, restApiId="x", requestValidatorId="v") == (
        "NotFoundException",
        "Invalid Request Validator identifier specified",
    )
    assert refusal(client.get_request_validators, restApiId="x") == (
        "NotFoundException",
        f"Invalid API identifier specified {ACCOUNT}:x",
    )


def test_a_validator_changes_by_patch(api: Api) -> None:
    validator = api.client.create_request_validator(restApiId=api.id, name="v", validateRequestBody=True)["id"]

    def patch(*operations: tuple[str, ...]) -> dict[str, Any]:
        patches = as_patches(*operations)
        return {"restApiId": api.id, "requestValidatorId": validator, "patchOperations": patches}

    changed = api.client.update_request_validator(
        **patch(
            ("replace", "/name", "w"),
            ("replace", "/validateRequestParameters", "true"),
            ("replace", "/validateRequestBody"),
        )
    )
    assert changed == {
        "id": validator,
        "name": "w",
        "validateRequestBody": False,
        "validateRequestParameters": True,
    }
    assert refusal(api.client.update_request_validator, **patch(("replace", "/name", ""))) == (
        "BadRequestException",
        "Request Validator name cannot be blank",
    )
    assert refusal(api.client.update_request_validator, **patch(("replace", "/x", ""))) == (
        "BadRequestException",
        "Invalid patch path  '/x' specified for op 'replace'. "
        "Must be one of: [/name, /validateRequestParameters, /validateRequestBody]",
    )


def test_a_validator_in_use_stays(api: Api) -> None:
    validator = api.client.create_request_validator(restApiId=api.id, name="v")["id"]
    api.method(api.root, requestValidatorId=validator)

    refused = refusal(api.client.delete_request_validator, restApiId=api.id, requestValidatorId=validator)

    assert refused[0] == "ConflictException"
    api.client.delete_method(restApiId=api.id, resourceId=api.root, httpMethod="GET")
    api.client.delete_request_validator(restApiId=api.id, requestValidatorId=validator)


# Gateway responses


def built_in(response_type: str, status: str | None) -> dict[str, Any]:
    response = {
        "responseType": response_type,
        "responseParameters": {},
        "responseTemplates": {"application/json": '{"message":$context.error.messageString}'},
        "defaultResponse": True,
    }
    return response if status is None else {**response, "statusCode": status}


def test_all_types_are_there_by_name(api: Api) -> None:
    items = api.client.get_gateway_responses(restApiId=api.id)["items"]

    assert len(items) == 21
    assert [each["responseType"] for each in items] == sorted(each["responseType"] for each in items)
    assert items[0] == built_in("ACCESS_DENIED", "403")
    assert built_in("DEFAULT_4XX", None) in items


def test_put_replaces_and_delete_returns_to_the_default(api: Api) -> None:
    put = api.client.put_gateway_response(
        restApiId=api.id,
        responseType="UNAUTHORIZED",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
    )

    assert put == {
        **built_in("UNAUTHORIZED", "401"),
        "responseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
        "defaultResponse": False,
    }
    assert api.client.get_gateway_response(restApiId=api.id, responseType="UNAUTHORIZED") == put
    again = api.client.put_gateway_response(restApiId=api.id, responseType="UNAUTHORIZED", statusCode="403")
    assert again == {**built_in("UNAUTHORIZED", "403"), "defaultResponse": False}

    api.client.delete_gateway_response(restApiId=api.id, responseType="UNAUTHORIZED")
    assert api.client.get_gateway_response(restApiId=api.id, responseType="UNAUTHORIZED") == built_in(
        "UNAUTHORIZED", "401"
    )
    assert refusal(api.client.delete_gateway_response, restApiId=api.id, responseType="UNAUTHORIZED") == (
        "NotFoundException",
        "Gateway response type not defined on api",
    )


def test_a_default_lends_all_but_its_being_customised(api: Api) -> None:
    """Reference 5.2: parameters, templates and status, while defaultResponse stays true."""
    api.client.put_gateway_response(
        restApiId=api.id, responseType="DEFAULT_4XX", statusCode="418", responseTemplates={"text/plain": "no"}
    )

    lent = api.client.get_gateway_response(restApiId=api.id, responseType="THROTTLED")
    other = api.client.get_gateway_response(restApiId=api.id, responseType="INTEGRATION_TIMEOUT")

    assert lent == {**built_in("THROTTLED", "418"), "responseTemplates": {"text/plain": "no"}}
    assert other == built_in("INTEGRATION_TIMEOUT", "504")


@pytest.mark.parametrize(
    "parameters",
    [
        {"header.x": "'a'"},
        {"gatewayresponse.path.x": "'a'"},
        {"gatewayresponse.header.x": "a"},
        {"gatewayresponse.header.x": "integration.response.header.x"},
    ],
)
def test_bad_parameters_are_refused(api: Api, parameters: dict[str, str]) -> None:
    refused = refusal(
        api.client.put_gateway_response,
        restApiId=api.id,
        responseType="UNAUTHORIZED",
        responseParameters=parameters,
    )

    assert refused[0] == "BadRequestException"
    assert (refused[1] or "").startswith("Invalid mapping expression specified: Validation Result: ")


def test_a_patch_customises(api: Api) -> None:
    def patch(*operations: tuple[str, ...]) -> dict[str, Any]:
        return {"restApiId": api.id, "responseType": "UNAUTHORIZED", "patchOperations": as_patches(*operations)}

    header = "/responseParameters/gatewayresponse.header.x"
    changed = api.client.update_gateway_response(
        **patch(
            ("replace", "/statusCode", "418"),
            ("add", header, "method.request.header.y"),
            ("add", "/responseTemplates/text~1plain", "no"),
        )
    )
    assert changed["statusCode"] == "418"
    assert changed["defaultResponse"] is False
    assert changed["responseParameters"] == {"gatewayresponse.header.x": "method.request.header.y"}
    assert set(changed["responseTemplates"]) == {"application/json", "text/plain"}
    assert api.client.update_gateway_response(**patch(("remove", header)))["responseParameters"] == {}

    update = api.client.update_gateway_response
    assert refusal(update, **patch(("add", "/statusCode", "200"))) == (
        "BadRequestException",
        "Invalid patch path /statusCode",
    )
    assert refusal(update, **patch(("replace", header, "'a'"))) == (
        "NotFoundException",
        "Invalid parameter name specified",
    )
    assert refusal(update, **patch(("add", header))) == (
        "BadRequestException",
        "Invalid null or empty value in responseParameters",
    )
    assert refusal(update, **patch(("replace", "/responseTemplates/application~1json", ""))) == (
        "BadRequestException",
        "Invalid null or empty value in responseTemplates",
    )
    assert refusal(update, **patch(("replace", "/responseType", "x"))) == (
        "BadRequestException",
        "Invalid patch path /responseType",
    )
