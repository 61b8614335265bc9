"""GetExport: a stage as a document.

Source: reference, control plane, section 4.4; AWS's exports as recorded in LocalStack's snapshots.
"""

import json
from typing import Any

import pytest
import yaml

from tests.rooms.apigateway.driver import POOL_ARN, REGION, Api, Client, refusal
from tests.rooms.apigateway.test_apigateway_imports import WHOLE


def exported(api: Api, kind: str, **members: Any) -> Any:
    answer = api.client.get_export(restApiId=api.id, stageName="prod", exportType=kind, **members)
    return json.loads(answer["body"])


@pytest.fixture
def pets(api: Api) -> Api:
    """`GET /pets/{id}` with everything that a document can say of a method, deployed."""
    client, where = api.client, {"restApiId": api.id, "resourceId": api.resource("pets", "{id}"), "httpMethod": "GET"}
    reference = f"https://apigateway.amazonaws.com/restapis/{api.id}/models/Kind"
    for name, schema in (("Kind", '{"type":"string"}'), ("Pet", f'{{"$schema":"x","items":{{"$ref":"{reference}"}}}}')):
        client.create_model(restApiId=api.id, name=name, contentType="application/json", schema=schema)
    client.put_method(
        **where,
        authorizationType="COGNITO_USER_POOLS",
        authorizerId=api.authorizer(),
        authorizationScopes=["pets/read"],
        apiKeyRequired=True,
        operationName="getPet",
        requestParameters={"method.request.path.id": True, "method.request.querystring.q": False},
        requestModels={"application/json": "Pet"},
    )
    client.put_method_response(
        **where,
        statusCode="200",
        responseModels={"application/json": "Pet"},
        responseParameters={"method.response.header.X-A": False},
    )
    client.put_integration(
        **where, type="HTTP", integrationHttpMethod="POST", uri="https://upstream.test/", timeoutInMillis=1000
    )
    client.put_integration_response(**where, statusCode="200", selectionPattern="")
    client.create_deployment(restApiId=api.id, stageName="prod")
    return api


def test_swagger_without_extensions(pets: Api) -> None:
    document = exported(pets, "swagger")

    schema = {"$ref": "#/definitions/Pet"}
    assert document.pop("info")["title"] == "orders"
    assert document == {
        "swagger": "2.0",
        "host": f"{pets.id}.execute-api.{REGION}.amazonaws.com",
        "basePath": "/prod",
        "schemes": ["https"],
        "paths": {
            "/pets/{id}": {
                "get": {
                    "operationId": "getPet",
                    "consumes": ["application/json"],
                    "produces": ["application/json"],
                    "parameters": [
                        {"name": "id", "in": "path", "required": True, "type": "string"},
                        {"name": "q", "in": "query", "required": False, "type": "string"},
                        {"in": "body", "name": "Pet", "required": True, "schema": schema},
                    ],
                    "responses": {
                        "200": {"description": "200 response", "schema": schema, "headers": {"X-A": {"type": "string"}}}
                    },
                    "security": [{"pool": ["pets/read"]}, {"api_key": []}],
                }
            }
        },
        "securityDefinitions": {
            "pool": {"type": "apiKey", "name": "Authorization", "in": "header"},
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        },
        "definitions": {"Pet": {"items": {"$ref": "#/definitions/Kind"}}, "Kind": {"type": "string"}},
    }


def test_openapi_with_extensions(pets: Api) -> None:
    document = exported(pets, "oas30", parameters={"extensions": "apigateway"})

    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}
    assert document["openapi"] == "3.0.1"
    assert document["servers"] == [
        {
            "url": f"https://{pets.id}.execute-api.{REGION}.amazonaws.com/{{basePath}}",
            "variables": {"basePath": {"default": "prod"}},
        }
    ]
    assert document["paths"]["/pets/{id}"]["get"] == {
        "operationId": "getPet",
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "q", "in": "query", "schema": {"type": "string"}},
        ],
        "requestBody": {"content": content, "required": True},
        "responses": {
            "200": {
                "description": "200 response",
                "headers": {"X-A": {"schema": {"type": "string"}}},
                "content": content,
            }
        },
        "security": [{"pool": ["pets/read"]}, {"api_key": []}],
        "x-amazon-apigateway-integration": {
            "type": "http",
            "httpMethod": "POST",
            "uri": "https://upstream.test/",
            "responses": {"default": {"statusCode": "200"}},
            "passthroughBehavior": "when_no_match",
            "timeoutInMillis": 1000,
        },
    }
    assert document["components"]["securitySchemes"]["pool"] == {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [POOL_ARN]},
    }


@pytest.mark.parametrize("kind", ["swagger", "oas30"])
def test_what_is_exported_is_imported_as_it_was(client: Client, kind: str) -> None:
    document = {**WHOLE, "x-amazon-apigateway-endpoint-configuration": {}}
    first = Api(client)
    client.put_rest_api(restApiId=first.id, mode="overwrite", body=json.dumps(document).encode())
    first.deployed()
    extensions = {"parameters": {"extensions": "apigateway"}}

    export = exported(first, kind, **extensions)
    second = Api(client)
    body = json.dumps(export).encode()
    client.put_rest_api(restApiId=second.id, mode="overwrite", body=body, failOnWarnings=True)
    second.deployed()

    again = json.loads(json.dumps(exported(second, kind, **extensions)).replace(second.id, first.id))
    assert again == export


def test_a_deleted_authorizer_is_not_exported_as_none(pets: Api) -> None:
    (authorizer,) = pets.client.get_authorizers(restApiId=pets.id)["items"]
    where = {"restApiId": pets.id, "resourceId": pets.resource("pets", "{id}"), "httpMethod": "GET"}
    pets.client.delete_method(**where)
    pets.client.delete_authorizer(restApiId=pets.id, authorizerId=authorizer["id"])

    document = exported(pets, "oas30", parameters={"extensions": "apigateway"})

    security = document["paths"]["/pets/{id}"]["get"]["security"]
    assert security == [{authorizer["id"]: ["pets/read"]}, {"api_key": []}]
    assert refusal(pets.client.import_rest_api, body=json.dumps(document).encode())[0] == "BadRequestException"


def test_the_deployment_is_exported_not_the_draft(pets: Api) -> None:
    before = exported(pets, "oas30")
    pets.method(pets.root)
    pets.client.update_rest_api(
        restApiId=pets.id, patchOperations=[{"op": "replace", "path": "/name", "value": "changed"}]
    )

    assert exported(pets, "oas30") == before


def test_an_export_is_a_file(client: Client) -> None:
    """The name has the version, of which a header can carry only some characters; without one it is the moment."""
    versioned, plain = Api(client, version='1 "\r\nX: y'), Api(client)
    names = []
    for api in (versioned, plain):
        api.deployed()
        answer = client.get_export(restApiId=api.id, stageName="prod", exportType="swagger", accepts="application/yaml")
        assert yaml.safe_load(answer["body"])["swagger"] == "2.0"
        assert answer["contentType"] == "application/octet-stream"
        names.append(answer["contentDisposition"])

    assert names == [
        'attachment; filename="swagger_1____X:_y.yaml"',
        'attachment; filename="swagger_2023-11-14T22:13:20Z.yaml"',
    ]


def test_what_cannot_be_exported_is_refused(api: Api) -> None:
    api.deployed()
    where = {"restApiId": api.id, "stageName": "prod", "exportType": "oas30"}

    assert refusal(api.client.get_export, **{**where, "exportType": "raml"}) == (
        "BadRequestException",
        "No API exporter for type 'raml'",
    )
    assert refusal(api.client.get_export, **{**where, "stageName": "no"}) == (
        "NotFoundException",
        "Invalid stage identifier specified",
    )
    assert refusal(api.client.get_export, **{**where, "restApiId": "no"})[0] == "NotFoundException"
