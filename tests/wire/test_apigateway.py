"""The REST control plane by boto3 and raw HTTP: statuses, error shapes, and that only a deployment goes live."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.server import REGION, Pool, Server

MOCK_REQUEST = {"application/json": '{"statusCode": 200}'}


@pytest.fixture
def rest(server: Server) -> Any:
    return server.aws("apigateway")


@pytest.fixture
def api(rest: Any) -> dict[str, Any]:
    """A REST API with `GET /orders` answered by a mock."""
    created: dict[str, Any] = rest.create_rest_api(name="orders", endpointConfiguration={"types": ["REGIONAL"]})
    resource = rest.create_resource(restApiId=created["id"], parentId=created["rootResourceId"], pathPart="orders")
    put_mock(rest, created["id"], resource["id"], "first")
    return {**created, "orders": resource["id"]}


def put_mock(rest: Any, api_id: str, resource_id: str, body: str, verb: str = "GET", **method: Any) -> None:
    where = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": verb}
    rest.put_method(**where, **{"authorizationType": "NONE", **method})
    rest.put_method_response(**where, statusCode="200")
    rest.put_integration(**where, type="MOCK", requestTemplates=MOCK_REQUEST)
    rest.put_integration_response(**where, statusCode="200", responseTemplates={"application/json": body})


def status(answer: Any) -> int:
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    response = caught.value.response
    return response["Error"]["Code"], status(response), response["Error"]["Message"]


def patches(*operations: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"op": op, "path": path, "value": value} for op, path, value in operations]


def test_every_operation_answers_with_awss_status(rest: Any) -> None:
    """Reference 6: create and put 201, get and update 200 (a method response 201), delete 202 or 204."""
    created = rest.create_rest_api(name="statuses")
    api_id, root = created["id"], created["rootResourceId"]
    in_api = {"restApiId": api_id}
    resource = rest.create_resource(**in_api, parentId=root, pathPart="x")
    at_root = {**in_api, "resourceId": root}
    method = {**at_root, "httpMethod": "GET"}
    response = {**method, "statusCode": "200"}
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api_id}"
    change = patches(("replace", "/description", "x"))

    assert status(created) == 201
    assert status(resource) == 201
    assert status(rest.put_method(**method, authorizationType="NONE")) == 201
    assert status(rest.put_method_response(**response)) == 201
    assert status(rest.put_integration(**method, type="MOCK")) == 201
    assert status(rest.put_integration_response(**response)) == 201
    assert status(rest.put_gateway_response(**in_api, responseType="UNAUTHORIZED")) == 201
    model = rest.create_model(**in_api, name="Pet", contentType="application/json", schema="{}")
    validator = rest.create_request_validator(**in_api, name="v")
    deployment = rest.create_deployment(**in_api)
    stage = {**in_api, "stageName": "prod"}
    assert {status(each) for each in (model, validator, deployment)} == {201}
    assert status(rest.create_stage(**stage, deploymentId=deployment["id"])) == 201

    assert status(rest.get_rest_api(**in_api)) == 200
    assert status(rest.get_resources(**in_api)) == 200
    assert status(rest.get_stages(**in_api)) == 200
    assert status(rest.get_account()) == 200
    assert status(rest.update_rest_api(**in_api, patchOperations=change)) == 200
    assert status(rest.update_stage(**stage, patchOperations=change)) == 200
    assert status(rest.update_method(**method, patchOperations=[])) == 200
    assert status(rest.update_method_response(**response, patchOperations=[])) == 201
    assert status(rest.update_integration(**method, patchOperations=[])) == 200
    assert status(rest.update_integration_response(**response, patchOperations=[])) == 200

    assert status(rest.tag_resource(resourceArn=arn, tags={"a": "1"})) == 204
    assert status(rest.get_tags(resourceArn=arn)) == 200
    assert status(rest.untag_resource(resourceArn=arn, tagKeys=["a"])) == 204
    assert status(rest.flush_stage_authorizers_cache(**stage)) == 202
    assert status(rest.flush_stage_cache(**stage)) == 202

    assert status(rest.delete_stage(**stage)) == 202
    assert status(rest.delete_deployment(**in_api, deploymentId=deployment["id"])) == 202
    assert status(rest.delete_integration_response(**response)) == 204
    assert status(rest.delete_integration(**method)) == 204
    assert status(rest.delete_method_response(**response)) == 204
    assert status(rest.delete_method(**method)) == 204
    assert status(rest.delete_model(**in_api, modelName="Pet")) == 202
    assert status(rest.delete_request_validator(**in_api, requestValidatorId=validator["id"])) == 202
    assert status(rest.delete_gateway_response(**in_api, responseType="UNAUTHORIZED")) == 202
    assert status(rest.delete_resource(**in_api, resourceId=resource["id"])) == 202
    assert status(rest.delete_rest_api(**in_api)) == 202


def test_refusals_have_awss_code_status_and_text(rest: Any, api: dict[str, Any]) -> None:
    assert refused(rest.get_rest_api, restApiId="unknown") == (
        "NotFoundException",
        404,
        "Invalid API identifier specified 000000000000:unknown",
    )
    assert refused(rest.create_rest_api, name="x", description="") == (
        "BadRequestException",
        400,
        "Description cannot be an empty string",
    )
    assert refused(rest.create_resource, restApiId=api["id"], parentId=api["rootResourceId"], pathPart="orders") == (
        "ConflictException",
        409,
        "Another resource with the same parent already has this name: orders",
    )
    assert refused(rest.update_rest_api, restApiId=api["id"], patchOperations=patches(("replace", "/nope", "x"))) == (
        "BadRequestException",
        400,
        "Invalid patch path /nope",
    )


def test_an_unknown_op_is_a_validation_error(rest: Any, api: dict[str, Any]) -> None:
    """Reference 2.1; told before anything is looked up."""
    where = {"restApiId": "unknown", "resourceId": api["orders"], "httpMethod": "GET", "statusCode": "200"}

    assert refused(rest.update_method_response, **where, patchOperations=patches(("wrong_op", "/x", "y"))) == (
        "ValidationException",
        400,
        "1 validation error detected: Value 'wrong_op' at 'updateMethodResponseInput.patchOperations.1.member.op' "
        "failed to satisfy constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]",
    )


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_response_template_is_answered_as_null(server: Server, api: dict[str, Any], empty: str | None) -> None:
    """Reference 1.4: an empty template and a null one are the same."""
    where = {"restApiId": api["id"], "resourceId": api["orders"], "httpMethod": "GET", "statusCode": "200"}
    rest = server.aws("apigateway", config=Config(parameter_validation=False))

    answer = rest.put_integration_response(**where, responseTemplates={"application/json": empty})

    assert answer["responseTemplates"] == {"application/json": None}


def test_validation_errors_of_the_body_come_first(rest: Any, api: dict[str, Any]) -> None:
    """Reference 2: the ops before `statusCode`, though the path is read first."""
    where = {"restApiId": api["id"], "resourceId": api["orders"], "httpMethod": "GET", "statusCode": "wrong"}

    code, _, message = refused(rest.update_method_response, **where, patchOperations=patches(("wrong_op", "/x", "y")))

    assert code == "ValidationException"
    assert message == (
        "2 validation errors detected: Value 'wrong_op' at 'updateMethodResponseInput.patchOperations.1.member.op' "
        "failed to satisfy constraint: Member must satisfy enum value set: [add, remove, move, test, replace, copy]; "
        "Value 'wrong' at 'statusCode' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [1-5]\d\d"
    )


def test_an_authorizer_that_does_not_exist_is_refused(rest: Any, api: dict[str, Any]) -> None:
    where = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "GET"}

    answer = refused(rest.put_method, **where, authorizationType="COGNITO_USER_POOLS", authorizerId="abc123")

    assert answer == (
        "BadRequestException",
        400,
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS "
        "requires a valid authorizer.",
    )


def test_a_pool_that_does_not_exist_is_refused(rest: Any, api: dict[str, Any], pool: Pool) -> None:
    def authorizer(name: str, arn: str) -> dict[str, Any]:
        return {
            "restApiId": api["id"],
            "name": name,
            "type": "COGNITO_USER_POOLS",
            "providerARNs": [arn],
            "identitySource": "method.request.header.Authorization",
        }

    assert refused(rest.create_authorizer, **authorizer("bad", pool.arn + "x"))[:2] == ("BadRequestException", 400)
    assert status(rest.create_authorizer(**authorizer("good", pool.arn))) == 201


def test_a_change_goes_live_only_with_a_deployment(server: Server, rest: Any, api: dict[str, Any]) -> None:
    """Reference 4.1."""
    path = f"/_aws/execute-api/{api['id']}/prod/orders"
    where = {"restApiId": api["id"], "resourceId": api["orders"], "httpMethod": "GET"}
    rest.create_deployment(restApiId=api["id"], stageName="prod")
    assert server.http("GET", path).text == "first"

    template = patches(("replace", "/responseTemplates/application~1json", "second"))
    rest.update_integration_response(**where, statusCode="200", patchOperations=template)
    put_mock(rest, api["id"], api["orders"], "posted", "POST")
    assert server.http("GET", path).text == "first"
    assert server.http("POST", path).status_code == 403

    first = rest.get_stage(restApiId=api["id"], stageName="prod")["deploymentId"]
    rest.create_deployment(restApiId=api["id"], stageName="prod")
    assert server.http("GET", path).text == "second"
    assert server.http("POST", path).text == "posted"

    roll_back = patches(("replace", "/deploymentId", first))
    rest.update_stage(restApiId=api["id"], stageName="prod", patchOperations=roll_back)
    assert server.http("GET", path).text == "first"


def test_a_deleted_stage_and_a_deleted_api_are_gone_at_once(server: Server, rest: Any, api: dict[str, Any]) -> None:
    for stage in ("dev", "prod"):
        rest.create_deployment(restApiId=api["id"], stageName=stage)

    rest.delete_stage(restApiId=api["id"], stageName="dev")
    assert server.http("GET", f"/_aws/execute-api/{api['id']}/dev/orders").status_code == 403
    assert server.http("GET", f"/_aws/execute-api/{api['id']}/prod/orders").status_code == 200

    rest.delete_rest_api(restApiId=api["id"])
    assert server.http("GET", f"/_aws/execute-api/{api['id']}/prod/orders").status_code in (403, 404)


def test_a_stage_is_exported_as_a_file(rest: Any, api: dict[str, Any]) -> None:
    rest.create_deployment(restApiId=api["id"], stageName="prod")
    where = {"restApiId": api["id"], "stageName": "prod", "exportType": "oas30"}

    answer = rest.get_export(**where, parameters={"extensions": "integrations"})
    in_yaml = rest.get_export(**where, accepts="application/yaml")

    assert (status(answer), answer["contentType"]) == (200, "application/octet-stream")
    assert answer["contentDisposition"].startswith('attachment; filename="oas30_2')
    assert "x-amazon-apigateway-integration" in json.loads(answer["body"].read())["paths"]["/orders"]["get"]
    assert in_yaml["contentDisposition"].endswith('.yaml"')
    assert in_yaml["body"].read().startswith(b"openapi: 3.0.1\n")


def test_lists_are_paged_by_boto3s_paginators(rest: Any, api: dict[str, Any]) -> None:
    for number in range(30):
        rest.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart=f"r{number}")

    pages = list(rest.get_paginator("get_resources").paginate(restApiId=api["id"]))

    assert [len(page["items"]) for page in pages] == [25, 7]
    assert len({each["id"] for page in pages for each in page["items"]}) == 32


def test_accounts_and_regions_do_not_see_each_other(server: Server, api: dict[str, Any]) -> None:
    elsewhere = server.aws("apigateway", region="eu-west-1")
    someone = server.aws("apigateway", key="111122223333")

    for client in (elsewhere, someone):
        assert refused(client.get_rest_api, restApiId=api["id"])[:2] == ("NotFoundException", 404)
        assert api["id"] not in {each["id"] for each in client.get_rest_apis(limit=500)["items"]}


def test_an_operation_that_is_not_built_names_itself(rest: Any) -> None:
    code, _, message = refused(rest.get_sdk_types)

    assert code
    assert "GetSdkTypes" in message
