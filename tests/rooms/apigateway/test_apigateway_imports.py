"""ImportRestApi and PutRestApi: what a document makes, what it is warned of, what is refused whole.

Source: reference, control plane, sections 4.5 and 4.6; AWS's answers as recorded in LocalStack's snapshots (2025-07).
"""

import contextlib
import copy
import json
from typing import Any, Final

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from tests.rooms.apigateway.driver import FUNCTION_URI, POOL_ARN, Api, Client, as_patches, refusal

POOL_SCHEME: Final = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "cognito_user_pools",
    "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [POOL_ARN]},
}
MOCK: Final = {
    "type": "mock",
    "passthroughBehavior": "when_no_match",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}},
}


def swagger(**members: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "info": {"title": "pets", "version": "1.0"}, "paths": {}, **members}


def openapi(**members: Any) -> dict[str, Any]:
    return {"openapi": "3.0.1", "info": {"title": "pets", "version": "1.0"}, "paths": {}, **members}


def operation(**members: Any) -> dict[str, Any]:
    return {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": MOCK, **members}


def imported(client: Client, document: Any, **members: Any) -> Any:
    return client.import_rest_api(body=json.dumps(document).encode(), **members)


def put(api: Api, document: Any, **members: Any) -> Any:
    return api.client.put_rest_api(restApiId=api.id, body=json.dumps(document).encode(), **members)


def method_of(client: Client, api_id: str, path: str, verb: str = "GET") -> Any:
    resources = client.get_resources(restApiId=api_id, limit=500, embed=["methods"])["items"]
    return next(each for each in resources if each["path"] == path)["resourceMethods"][verb]


def import_refusal(client: Client, document: Any, **members: Any) -> str | None:
    code, message = refusal(client.import_rest_api, body=json.dumps(document).encode(), **members)
    assert code == "BadRequestException"
    return message


def test_an_import_has_only_what_the_document_has(client: Client) -> None:
    """Recorded: no tags in the answer, no default models, every segment a resource, path variables declared."""
    document = swagger(
        info={"title": "pets", "version": "1.0", "description": "d"},
        paths={"/pets/{petId}": {"get": operation(operationId="getPet")}},
    )

    api = imported(client, document)

    assert (api["name"], api["version"], api["description"]) == ("pets", "1.0", "d")
    assert not api.keys() & {"tags", "warnings"}
    assert client.get_models(restApiId=api["id"])["items"] == []
    resources = client.get_resources(restApiId=api["id"])["items"]
    assert sorted(each["path"] for each in resources) == ["/", "/pets", "/pets/{petId}"]
    method = method_of(client, api["id"], "/pets/{petId}")
    assert method["operationName"] == "getPet"
    assert method["requestParameters"] == {"method.request.path.petId": True}
    assert method["methodResponses"] == {"200": {"statusCode": "200"}}
    assert method["methodIntegration"]["integrationResponses"] == {
        "200": {"statusCode": "200", "responseTemplates": {"application/json": "{}"}}
    }


def test_scopes_of_a_document_hold_for_the_method(client: Client) -> None:
    document = swagger(
        securityDefinitions={"pool": POOL_SCHEME},
        security=[{"pool": ["pets/read"]}],
        paths={"/": {"get": operation(), "post": operation(security=[{"pool": ["pets/write", "pets/admin"]}])}},
    )

    api_id = imported(client, document)["id"]

    authorizers = client.get_authorizers(restApiId=api_id)["items"]
    assert [each["identitySource"] for each in authorizers] == ["method.request.header.Authorization"]
    for verb, scopes in (("GET", ["pets/read"]), ("POST", ["pets/write", "pets/admin"])):
        method = method_of(client, api_id, "/", verb)
        assert (method["authorizationType"], method["authorizationScopes"]) == ("COGNITO_USER_POOLS", scopes)
        assert method["authorizerId"] == authorizers[0]["id"]


@pytest.mark.parametrize("security", [[], [{"NONE": []}]])
def test_an_operation_opens_itself(client: Client, security: list[Any]) -> None:
    document = swagger(
        securityDefinitions={"pool": POOL_SCHEME},
        security=[{"pool": []}],
        paths={"/": {"get": operation(security=security)}},
    )

    method = method_of(client, imported(client, document)["id"], "/")

    assert method["authorizationType"] == "NONE"
    assert "authorizerId" not in method


def test_a_scheme_that_protects_nothing_is_refused(client: Client) -> None:
    document = openapi(
        components={"securitySchemes": {"oauth": {"type": "oauth2", "flows": {}}}},
        paths={"/": {"get": operation(security=[{"oauth": ["read"]}])}},
    )

    message = import_refusal(client, document)

    assert message is not None
    assert "Security scheme 'oauth' has no authorizer" in message


def test_an_empty_identity_source_is_the_schemes_header(client: Client) -> None:
    """Recorded with a document of another tool: texts are empty where nothing is meant."""
    scheme = {
        "type": "apiKey",
        "name": "X-Token",
        "in": "header",
        "x-amazon-apigateway-authtype": "oauth2",
        "x-amazon-apigateway-authorizer": {
            "type": "token",
            "authorizerUri": FUNCTION_URI,
            "authorizerCredentials": "",
            "identitySource": "",
        },
    }

    api_id = imported(client, openapi(components={"securitySchemes": {"lambda": scheme}}))["id"]

    (authorizer,) = client.get_authorizers(restApiId=api_id)["items"]
    assert authorizer == {
        "id": authorizer["id"],
        "name": "lambda",
        "type": "TOKEN",
        "authType": "oauth2",
        "authorizerUri": FUNCTION_URI,
        "identitySource": "method.request.header.X-Token",
    }


def test_mappings_that_are_no_text_are_warned_of(client: Client) -> None:
    """Recorded, whole text."""
    integration = {**MOCK, "requestParameters": {"integration.request.header.a": True}}
    document = openapi(paths={"/test": {"get": operation(**{"x-amazon-apigateway-integration": integration})}})
    warning = (
        "Invalid format for 'requestParameters'. Expected type string for property 'integration.request.header.a' of "
        "resource '/test' and method 'GET' but got 'true'"
    )

    api = imported(client, document)

    assert api["warnings"] == [warning]
    assert method_of(client, api["id"], "/test")["methodIntegration"].get("requestParameters", {}) == {}
    assert import_refusal(client, document, failOnWarnings=True) == f"Warnings found during import:\n\t{warning}"


@pytest.mark.parametrize("name", ["Unknown", "Empty", "Error"])
def test_a_model_that_is_missing_is_warned_of(client: Client, name: str) -> None:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    document = openapi(
        paths={"/x": {"get": operation(responses={"200": {"content": content}}, requestBody={"content": content})}}
    )

    api = imported(client, document)

    assert sorted(api["warnings"]) == [
        f"Parse issue: attribute paths.'/x'(get).{place}.content.schema.#/components/schemas/{name} is missing"
        for place in ("requestBody", "responses.200")
    ]
    method = method_of(client, api["id"], "/x")
    assert "requestModels" not in method
    assert method["methodResponses"]["200"] == {"statusCode": "200"}


def test_failing_on_warnings_leaves_nothing(api: Api) -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Unknown"}}}
    document = openapi(paths={"/x": {"get": operation(responses={"200": {"content": content}})}})

    with api.client.rolled_back():
        assert put(api, document)["warnings"]

    code, message = refusal(
        api.client.put_rest_api, restApiId=api.id, body=json.dumps(document).encode(), failOnWarnings=True
    )
    assert code == "BadRequestException"
    assert (message or "").startswith("Warnings found during import:\n\tParse issue: attribute paths.'/x'(get)")
    assert api.client.get_rest_api(restApiId=api.id)["name"] == "orders"


def test_all_errors_are_told_at_once(client: Client) -> None:
    """Reported text."""
    bad = {"type": "http", "uri": "nowhere", "httpMethod": "GET"}
    document = openapi(
        paths={
            "/": {"get": operation(**{"x-amazon-apigateway-integration": bad})},
            "/a b": {"get": operation()},
        }
    )

    assert import_refusal(client, document) == (
        "Errors found during import:\n"
        "\tUnable to put integration on 'GET' for resource at path '/': Invalid HTTP endpoint specified for URI\n"
        "\tUnable to create resource at path '/a b': Resource's path part only allow a-zA-Z0-9._-: or a valid greedy "
        "path variable and curly braces at the beginning and the end."
    )


def test_a_quota_is_told_as_it_is() -> None:
    """Reported (boto3#1296), two blanks included."""
    client = Client(aws_quotas=True)
    document = openapi(paths={f"/r{number}": {"get": operation()} for number in range(300)})

    assert refusal(client.import_rest_api, body=json.dumps(document).encode()) == (
        "LimitExceededException",
        "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional "
        "Resources.",
    )


@pytest.mark.parametrize(
    "integration",
    ["aws_proxy", {"type": {}}, {"type": "http", "uri": {"Fn::Sub": "x"}}, {**MOCK, "responses": ["default"]}],
)
def test_a_malformed_integration_names_its_path(client: Client, integration: Any) -> None:
    """Reported: templates whose functions were not resolved."""
    document = openapi(paths={"/x": {"get": operation(**{"x-amazon-apigateway-integration": integration})}})

    assert import_refusal(client, document) == (
        "Unable to parse API definition because of a malformed integration at path /x."
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'"text"', b"a: b: c", b'{"openapi": "3.1.0"}', b"\xff"])
def test_a_bad_document_is_told_before_an_unknown_api(client: Client, body: bytes) -> None:
    """Recorded for both operations."""
    invalid = ("BadRequestException", "Invalid OpenAPI input.")

    assert refusal(client.import_rest_api, body=body) == invalid
    assert refusal(client.put_rest_api, restApiId="unknown", body=body) == invalid


def test_an_unknown_api_is_told(client: Client) -> None:
    assert refusal(client.put_rest_api, restApiId="unknown", body=json.dumps(openapi()).encode())[0] == (
        "NotFoundException"
    )


def test_yaml_numbers_are_texts_where_texts_are_wanted(api: Api) -> None:
    document = openapi(info={"title": 5, "version": 1.5, "description": 7}, paths={"/": {"get": operation()}})
    document["paths"]["/"]["get"]["responses"] = {200: {"description": "ok"}}

    answer = api.client.put_rest_api(restApiId=api.id, body=yaml.safe_dump(document).encode())

    assert (answer["name"], answer["version"], answer["description"]) == ("5", "1.5", "7")
    assert answer["tags"] == {}
    assert list(method_of(api.client, api.id, "/")["methodResponses"]) == ["200"]


def test_members_of_the_api_are_read(client: Client) -> None:
    document = openapi(
        servers=[
            {"url": "https://x", "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": True}}
        ]
    )
    document |= {
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-minimum-compression-size": 10,
        "x-amazon-apigateway-api-key-source": "AUTHORIZER",
        "x-amazon-apigateway-security-policy": "SecurityPolicy_TLS13_1_3_2025_09",
        "x-amazon-apigateway-endpoint-access-mode": "STRICT",
    }

    api = imported(client, document, parameters={"endpointConfigurationTypes": "REGIONAL"})

    assert api["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "ipv4"}
    assert api["disableExecuteApiEndpoint"] is True
    assert api["binaryMediaTypes"] == ["image/png"]
    assert (api["minimumCompressionSize"], api["apiKeySource"]) == (10, "AUTHORIZER")
    assert (api["securityPolicy"], api["endpointAccessMode"]) == ("SecurityPolicy_TLS13_1_3_2025_09", "STRICT")


@pytest.mark.parametrize(
    ("extension", "value"),
    [
        ("minimum-compression-size", -1),
        ("api-key-source", "QUERY"),
        ("security-policy", "TLS_9"),
        ("security-policy", "SecurityPolicy_TLS13_1_3_2025_09"),
        ("policy", []),
    ],
)
def test_bad_members_of_the_api_are_refused(api: Api, extension: str, value: Any) -> None:
    body = json.dumps(openapi(**{f"x-amazon-apigateway-{extension}": value})).encode()

    assert refusal(api.client.import_rest_api, body=body)[0] == "BadRequestException"
    assert refusal(api.client.put_rest_api, restApiId=api.id, body=body)[0] == "BadRequestException"


def test_an_unknown_endpoint_type_is_refused(client: Client) -> None:
    message = import_refusal(client, openapi(), parameters={"endpointConfigurationTypes": "LOCAL"})

    assert message == "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"


def test_merge_keeps_what_the_document_lacks(api: Api) -> None:
    """Recorded: media types are united; whole methods are replaced; ids stay."""
    media_type = as_patches(("add", "/binaryMediaTypes/image~1heif"))
    api.client.update_rest_api(restApiId=api.id, patchOperations=media_type)
    kept, replaced = api.resource("kept"), api.resource("replaced")
    for resource in (kept, replaced):
        api.method(resource, apiKeyRequired=True)
        api.integration(resource)
    document = openapi(paths={"/replaced": {"get": operation()}}, components={"schemas": {"Empty": {"type": "string"}}})
    document["x-amazon-apigateway-binary-media-types"] = ["image/png"]
    document["x-amazon-apigateway-request-validators"] = {"body": {"validateRequestBody": True}}
    models = {each["name"]: each["id"] for each in api.client.get_models(restApiId=api.id)["items"]}

    answer = put(api, document)
    first = api.client.get_request_validators(restApiId=api.id)["items"]
    document["x-amazon-apigateway-request-validators"] = {"body": {"validateRequestParameters": "true"}}
    put(api, document)

    assert answer["binaryMediaTypes"] == ["image/heif", "image/png"]
    assert method_of(api.client, api.id, "/kept")["apiKeyRequired"]
    assert not method_of(api.client, api.id, "/replaced")["apiKeyRequired"]
    assert api.resource("replaced") == replaced
    model = api.client.get_model(restApiId=api.id, modelName="Empty")
    assert (model["id"], json.loads(model["schema"])) == (models["Empty"], {"type": "string"})
    (validator,) = api.client.get_request_validators(restApiId=api.id)["items"]
    assert validator == {**first[0], "validateRequestBody": False, "validateRequestParameters": True}


def test_overwrite_takes_away_what_the_document_lacks(api: Api) -> None:
    gone, stays = api.resource("gone"), api.resource("stays")
    for resource in (gone, stays):
        api.method(resource)
        api.integration(resource)
    in_use, unused = api.authorizer(name="in-use"), api.authorizer(name="unused")
    api.method(stays, "POST", authorizationType="COGNITO_USER_POOLS", authorizerId=in_use)
    api.integration(stays, "POST")
    api.deployed()

    put(api, openapi(paths={"/stays": {"get": operation()}}), mode="overwrite")

    resources = {each["path"]: each for each in api.client.get_resources(restApiId=api.id)["items"]}
    assert resources.keys() == {"/", "/stays"}
    assert (resources["/stays"]["id"], list(resources["/stays"]["resourceMethods"])) == (stays, ["GET"])
    authorizers = [each["id"] for each in api.client.get_authorizers(restApiId=api.id)["items"]]
    assert in_use in authorizers, "the stage that is deployed still asks it"
    assert unused not in authorizers
    assert api.client.get_models(restApiId=api.id)["items"] == []


def test_overwrite_resets_the_members_that_the_document_lacks(client: Client) -> None:
    """Terraform's provider puts them back after each PutRestApi, as AWS takes them away; merge leaves them."""
    members = {
        "description": "d",
        "apiKeySource": "AUTHORIZER",
        "binaryMediaTypes": ["image/png"],
        "minimumCompressionSize": 5,
        "policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*"}]}',
        "disableExecuteApiEndpoint": True,
        "endpointConfiguration": {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]},
    }
    api = Api(client, **members)
    before = client.get_rest_api(restApiId=api.id)

    merged = put(api, openapi(), mode="merge")
    overwritten = put(api, openapi(), mode="overwrite")

    assert {name: merged[name] for name in members} == {name: before[name] for name in members}
    assert not overwritten.keys() & {"description", "binaryMediaTypes", "minimumCompressionSize", "policy"}
    assert (overwritten["apiKeySource"], overwritten["disableExecuteApiEndpoint"]) == ("HEADER", False)
    assert overwritten["endpointConfiguration"] == before["endpointConfiguration"]
    document = openapi(**{"x-amazon-apigateway-endpoint-configuration": {"vpcEndpointIds": ["vpce-2"]}})
    assert put(api, document)["endpointConfiguration"]["vpcEndpointIds"] == ["vpce-2"]


@pytest.mark.parametrize(
    ("mode", "paths"),
    [
        (None, {"/", "/e"}),
        ("ignore", {"/", "/e"}),
        ("prepend", {"/", "/a", "/a/b", "/a/b/c", "/a/b/c/e"}),
        ("split", {"/", "/b", "/b/c", "/b/c/e"}),
    ],
)
@pytest.mark.parametrize(
    "base",
    [
        swagger(basePath="/a/b/c"),
        openapi(servers=[{"url": "https://x.test/a/b/c/"}]),
        openapi(servers=[{"url": "https://x.test/{basePath}", "variables": {"basePath": {"default": "a/b/c"}}}]),
    ],
)
def test_base_paths(client: Client, base: dict[str, Any], mode: str | None, paths: set[str]) -> None:
    document = {**base, "paths": {"/e": {"get": operation()}}}
    parameters = {} if mode is None else {"parameters": {"basepath": mode}}

    api_id = imported(client, document, **parameters)["id"]

    assert {each["path"] for each in client.get_resources(restApiId=api_id)["items"]} == paths


def test_gateway_responses_are_put(client: Client) -> None:
    responses = {"UNAUTHORIZED": {"statusCode": 418, "responseParameters": {"gatewayresponse.header.x": "'y'"}}}

    api_id = imported(client, openapi(**{"x-amazon-apigateway-gateway-responses": responses}))["id"]

    response = client.get_gateway_response(restApiId=api_id, responseType="UNAUTHORIZED")
    assert (response["statusCode"], response["defaultResponse"]) == ("418", False)
    assert response["responseParameters"] == {"gatewayresponse.header.x": "'y'"}


@pytest.mark.parametrize("responses", [{"TEAPOT": {}}, {"UNAUTHORIZED": {"statusCode": "4xx"}}, {"UNAUTHORIZED": 401}])
def test_bad_gateway_responses_are_refused(client: Client, responses: Any) -> None:
    import_refusal(client, openapi(**{"x-amazon-apigateway-gateway-responses": responses}))


DOCUMENTATION: Final = {
    "version": "1",
    "documentationParts": [
        {"location": {"type": "API"}, "properties": {"description": "all"}},
        {"location": {"type": "METHOD", "method": "GET"}, "properties": '{"description":"one"}'},
        {"location": {"type": "MODEL", "name": "Pet"}, "properties": {"title": "Pet"}},
    ],
}
DOCUMENTED: Final = [
    ({"type": "API"}, {"description": "all"}),
    ({"type": "METHOD", "path": "/", "method": "GET"}, {"description": "one"}),
    ({"type": "MODEL", "name": "Pet"}, {"title": "Pet"}),
]


def documented(client: Client, api_id: str) -> list[tuple[Any, Any]]:
    parts = client.get_documentation_parts(restApiId=api_id)["items"]
    return sorted(((part["location"], json.loads(part["properties"])) for part in parts), key=str)


def test_documentation_is_imported_with_an_api_unless_ignored(client: Client) -> None:
    """Recorded: parts that may stand on a path stand on `/` when they name none."""
    document = openapi(**{"x-amazon-apigateway-documentation": DOCUMENTATION})

    with_parts = imported(client, document)["id"]
    without = imported(client, document, parameters={"ignore": "documentation"})["id"]

    assert documented(client, with_parts) == sorted(DOCUMENTED, key=str)
    assert documented(client, without) == []


def test_documentation_parts_are_imported_by_themselves(api: Api) -> None:
    """Recorded: overwriting gives new ids; a merge keeps those of the same places."""
    body = json.dumps(openapi(**{"x-amazon-apigateway-documentation": DOCUMENTATION})).encode()
    kept = api.client.create_documentation_part(
        restApiId=api.id, location={"type": "RESOURCE", "path": "/x"}, properties='{"description":"x"}'
    )["id"]

    merged = api.client.import_documentation_parts(restApiId=api.id, body=body)["ids"]
    again = api.client.import_documentation_parts(restApiId=api.id, body=body)["ids"]
    everything = {part["id"] for part in api.client.get_documentation_parts(restApiId=api.id)["items"]}
    overwritten = api.client.import_documentation_parts(restApiId=api.id, body=body, mode="overwrite")["ids"]

    assert merged == again
    assert everything == {kept, *merged}
    assert not {*overwritten} & everything
    assert documented(api.client, api.id) == sorted(DOCUMENTED, key=str)


@pytest.mark.parametrize("body", [b"{'key:value}", b"a: [", b"{}", b"[]"])
def test_a_bad_document_builds_no_importer(api: Api, body: bytes) -> None:
    """Recorded."""
    assert refusal(api.client.import_documentation_parts, restApiId=api.id, body=body) == (
        "BadRequestException",
        "Unable to build importer with provided input.",
    )


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"location": "API", "properties": {}},
        {"location": {"type": "WORLD"}, "properties": {}},
        {"location": {"type": "API"}},
        {"location": {"type": "API"}, "properties": []},
    ],
)
def test_a_bad_part_is_refused(api: Api, part: Any) -> None:
    document = openapi(**{"x-amazon-apigateway-documentation": {"documentationParts": [part]}})
    body = json.dumps(document).encode()

    for operation in (api.client.import_documentation_parts, api.client.put_rest_api):
        assert refusal(operation, restApiId=api.id, body=body)[0] == "BadRequestException"


# Any change of a good document


WHOLE: Final = {
    **swagger(
        basePath="/v1",
        securityDefinitions={
            "pool": POOL_SCHEME,
            "token": {
                "type": "apiKey",
                "name": "T",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "token",
                    "authorizerUri": FUNCTION_URI,
                    "authorizerResultTtlInSeconds": 0,
                    "identityValidationExpression": ".*",
                },
            },
            "jwt": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "method.request.header.Authorization",
                    "jwtConfiguration": {
                        "issuers": [{"issuer": "https://issuer.test", "audiences": ["a"]}],
                        "defaultAlgorithms": ["RS256"],
                    },
                },
            },
            "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        },
        definitions={"Pet": {"type": "object", "properties": {"friend": {"$ref": "#/definitions/Pet"}}}},
        paths={
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "type": "string"}],
                "post": operation(
                    consumes=["application/json"],
                    produces=["application/json"],
                    parameters=[
                        {"name": "q", "in": "query", "required": False},
                        {"name": "body", "in": "body", "schema": {"$ref": "#/definitions/Pet"}},
                    ],
                    security=[{"pool": ["pets/write"], "key": []}],
                    responses={
                        "200": {"schema": {"$ref": "#/definitions/Pet"}, "headers": {"X-A": {"type": "string"}}}
                    },
                    **{
                        "x-amazon-apigateway-request-validator": "all",
                        "x-amazon-apigateway-integration": {
                            "type": "http_proxy",
                            "httpMethod": "POST",
                            "uri": "https://upstream.test/{id}",
                            "requestParameters": {"integration.request.path.id": "method.request.path.id"},
                            "timeoutInMillis": 1000,
                            "cacheKeyParameters": ["method.request.path.id"],
                            "tlsConfig": {"insecureSkipVerification": True},
                            "responses": {
                                "default": {
                                    "statusCode": 200,
                                    "responseParameters": {"method.response.header.X-A": "'a'"},
                                }
                            },
                        },
                    },
                ),
            }
        },
    ),
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True}},
    "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"responseTemplates": {"application/json": "{}"}}},
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-documentation": DOCUMENTATION,
    "x-amazon-apigateway-policy": {
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "execute-api:/*"}]
    },
    "x-amazon-apigateway-endpoint-configuration": {"disableExecuteApiEndpoint": False, "vpcEndpointIds": ["vpce-1"]},
}


def places_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] + [place for key, child in below for place in places_of(child, (*path, key))]


ANYTHING: Final = Client()
PLACES: Final = places_of(WHOLE)[1:]
NODES: Final = (
    None,
    True,
    0,
    -1.5,
    "",
    "x",
    "1e999",
    [],
    [None],
    ["x"],
    [[]],
    {},
    {"x": None},
    {"x": {}},
    {"$ref": "#/x"},
)


def test_the_whole_document_is_good(client: Client) -> None:
    document = {**WHOLE, "x-amazon-apigateway-endpoint-configuration": {}}

    assert "warnings" not in imported(client, document, failOnWarnings=True)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(NODES)), min_size=1, max_size=2), st.booleans())
def test_any_document_is_imported_or_refused(changes: list[tuple[tuple[Any, ...], Any]], overwrite: bool) -> None:
    """The driver holds the answers, and all that is stored, to the model's shapes."""
    document = copy.deepcopy({**WHOLE, "x-amazon-apigateway-endpoint-configuration": {}})
    for (*parents, last), node in changes:
        holder: Any = document
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for parent in parents:
                holder = holder[parent]
            holder[last] = copy.deepcopy(node)
    client = ANYTHING
    api = Api(client)

    with contextlib.suppress(AwsError):
        put(api, document, mode="overwrite" if overwrite else "merge")

    client.get_resources(restApiId=api.id, embed=["methods"])
    client.get_authorizers(restApiId=api.id)
    client.get_request_validators(restApiId=api.id)
    client.get_gateway_responses(restApiId=api.id)
    client.delete_rest_api(restApiId=api.id)
