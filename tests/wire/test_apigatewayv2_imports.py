"""ImportApi and ReimportApi by boto3: what a document becomes, what is refused, and what is live afterwards.

Source: reference, control plane, "Import: operations", "Import: rules by element".
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.server import ACCOUNT, REGION, Pool, Server, allow_gateway, make_function, make_pool
from tests.wire.gateways import FUNCTION, Web, access_token, call, serving_web

EXTENSION = "x-amazon-apigateway-"


@pytest.fixture(scope="module")
def pool(server: Server) -> Pool:
    return make_pool(server, "imports")


@pytest.fixture(scope="module")
def client(pool: Pool) -> dict[str, Any]:
    return pool.client("orders/read", "orders/write")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving_web() as service:
        yield service


@pytest.fixture(scope="module")
def http(server: Server) -> Any:
    return server.aws("apigatewayv2")


def to_web(uri: str, **members: Any) -> dict[str, Any]:
    wanted = {"type": "http_proxy", "httpMethod": "ANY", "uri": uri, "payloadFormatVersion": 1.0}
    return {f"{EXTENSION}integration": {**wanted, **members}}


def to_function(name: str = "imports", **members: Any) -> dict[str, Any]:
    function = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name}"
    uri = f"arn:aws:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/{function}/invocations"
    wanted = {"type": "aws_proxy", "httpMethod": "POST", "uri": uri, "payloadFormatVersion": "2.0"}
    return {f"{EXTENSION}integration": {**wanted, **members}}


def jwt_scheme(issuer: str, *audience: str, **members: Any) -> dict[str, Any]:
    """As SAM writes it."""
    authorizer = {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": issuer, "audience": list(audience)},
        **members,
    }
    return {"type": "oauth2", f"{EXTENSION}authorizer": authorizer}


def document(paths: dict[str, Any], **members: Any) -> dict[str, Any]:
    info = {"title": "imported", "version": "1.2", "description": "d"}
    return {"openapi": "3.0.1", "info": info, "paths": paths, **members}


def import_api(http: Any, api: Any, **members: Any) -> dict[str, Any]:
    made: dict[str, Any] = http.import_api(Body=api if isinstance(api, str) else json.dumps(api), **members)
    return made


def refused(operation: Callable[..., Any], **request: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        operation(**request)
    response = caught.value.response
    return (
        response["ResponseMetadata"]["HTTPStatusCode"],
        response["Error"]["Code"],
        response["Error"]["Message"],
    )


def routes_of(http: Any, api_id: str) -> dict[str, dict[str, Any]]:
    return {route["RouteKey"]: route for route in http.get_routes(ApiId=api_id)["Items"]}


def test_a_document_becomes_an_api(http: Any, pool: Pool) -> None:
    """Every element of the reference's table that HTTP APIs have; 201 and the whole API."""
    shared = f"{EXTENSION}integrations"
    api = document(
        {
            "/orders/{id}": {
                "get": {"operationId": "getOrder", "security": [{"jwt": ["orders/read"]}], **to_function()},
                "post": {"security": [{"jwt": []}], **to_function(timeoutInMillis=5000)},
                "delete": {"security": [], **to_function()},
                "put": {"security": [{"NONE": []}], **to_function()},
                "options": {f"{EXTENSION}auth": {"type": "NONE"}, **to_function()},
                "patch": {f"{EXTENSION}auth": {"type": "AWS_IAM"}, **to_function()},
            },
            "/any": {f"{EXTENSION}any-method": to_web("https://web.example/x", requestParameters={
                "overwrite:path": "/y"}, responseParameters={"200": {"remove:header.x": "''"}})},
            "/shared": {"get": {f"{EXTENSION}integration": {"$ref": f"#/components/{shared}/one"}}},
            "/bare": {"get": {}},
            "/$default": {f"{EXTENSION}any-method": {"isDefaultRoute": True, **to_web("https://web.example")}},
        },
        components={
            "securitySchemes": {"jwt": jwt_scheme(pool.issuer, "a", "b")},
            shared: {"one": to_web("https://web.example/one")[f"{EXTENSION}integration"]},
        },
        security=[{"jwt": ["orders/write"]}],
        tags=[{"name": "httpapi:createdBy", f"{EXTENSION}tag-value": "SAM"}, {"name": "plain"}],
        **{
            f"{EXTENSION}cors": {"allowOrigins": ["https://app.example"], "allowMethods": ["GET"], "maxAge": 5},
            f"{EXTENSION}importexport-version": "1.0",
        },
    )  # fmt: skip

    made = import_api(http, api)

    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    api_id = made.pop("ApiId")
    made.pop("CreatedDate")
    assert made == {
        "ApiEndpoint": f"https://{api_id}.execute-api.{REGION}.amazonaws.com",
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CorsConfiguration": {"AllowOrigins": ["https://app.example"], "AllowMethods": ["GET"], "MaxAge": 5},
        "Description": "d",
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "Name": "imported",
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": "$request.method $request.path",
        "Tags": {"httpapi:createdBy": "SAM", "plain": ""},
        "Version": "1.2",
    }
    (authorizer,) = http.get_authorizers(ApiId=api_id)["Items"]
    authorizer_id = authorizer.pop("AuthorizerId")
    assert authorizer == {
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Audience": ["a", "b"], "Issuer": pool.issuer},
        "Name": "jwt",
    }
    routes = routes_of(http, api_id)
    jwt = ("JWT", authorizer_id)
    assert {
        key: (route["AuthorizationType"], route.get("AuthorizerId"), route.get("AuthorizationScopes"))
        for key, route in routes.items()
    } == {
        "GET /orders/{id}": (*jwt, ["orders/read"]),
        "POST /orders/{id}": (*jwt, None),
        "DELETE /orders/{id}": ("NONE", None, None),
        "PUT /orders/{id}": ("NONE", None, None),
        "OPTIONS /orders/{id}": ("NONE", None, None),
        "PATCH /orders/{id}": ("AWS_IAM", None, None),
        "ANY /any": (*jwt, ["orders/write"]),
        "GET /shared": (*jwt, ["orders/write"]),
        "GET /bare": (*jwt, ["orders/write"]),
        "$default": (*jwt, ["orders/write"]),
    }
    assert routes["GET /orders/{id}"]["OperationName"] == "getOrder"
    assert "Target" not in routes["GET /bare"]

    def integration(key: str) -> dict[str, Any]:
        integration_id = routes[key]["Target"].removeprefix("integrations/")
        found: dict[str, Any] = http.get_integration(ApiId=api_id, IntegrationId=integration_id)
        return {name: value for name, value in found.items() if name not in ("ResponseMetadata", "IntegrationId")}

    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:imports"
    assert integration("POST /orders/{id}") == {
        "ConnectionType": "INTERNET",
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations",
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 5000,
    }
    assert integration("ANY /any") == {
        "ConnectionType": "INTERNET",
        "IntegrationMethod": "ANY",
        "IntegrationType": "HTTP_PROXY",
        "IntegrationUri": "https://web.example/x",
        "PayloadFormatVersion": "1.0",
        "RequestParameters": {"overwrite:path": "/y"},
        "ResponseParameters": {"200": {"remove:header.x": "''"}},
        "TimeoutInMillis": 30000,
    }
    assert integration("GET /shared")["IntegrationUri"] == "https://web.example/one"


def test_an_imported_api_enforces_what_its_document_says(
    server: Server, http: Any, pool: Pool, client: dict[str, Any]
) -> None:
    """YAML, as SAM hands it over."""
    make_function(server, "imports", FUNCTION)
    api = document(
        {
            "/orders": {
                "get": {"security": [{"jwt": ["orders/read"]}], **to_function()},
                "post": {"security": [{"jwt": ["orders/write"]}], **to_function()},
                "put": {"security": [{"jwt": []}], **to_function()},
            },
            "/open": {"get": to_function()},
        },
        components={"securitySchemes": {"jwt": jwt_scheme(pool.issuer, client["ClientId"])}},
    )
    api_id = import_api(http, yaml.safe_dump(api))["ApiId"]
    allow_gateway(server, "imports", api_id)
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    bearer = {"Authorization": access_token(pool, client["ClientId"], scope="orders/read")}

    def status(method: str, path: str, headers: dict[str, str]) -> int:
        return call(server, method, f"/_aws/execute-api/{api_id}{path}", headers).status

    asked = (("GET", "/orders"), ("POST", "/orders"), ("PUT", "/orders"), ("GET", "/open"))
    assert [status(*one, {}) for one in asked] == [401, 401, 401, 200]
    assert [status(*one, bearer) for one in asked] == [200, 403, 200, 200]


@pytest.mark.parametrize(
    ("mode", "servers", "key"),
    [
        (None, [{"url": "https://x.example/a/b"}], "GET /e"),
        ("ignore", [{"url": "https://x.example/a/b"}], "GET /e"),
        ("prepend", [{"url": "https://x.example/a/b"}], "GET /a/b/e"),
        ("split", [{"url": "https://x.example/a/b"}], "GET /b/e"),
        ("split", [{"url": "https://x.example/a"}], "GET /e"),
        ("prepend", [{"url": "/{basePath}", "variables": {"basePath": {"default": "/v1"}}}], "GET /v1/e"),
        ("prepend", [], "GET /e"),
    ],
)
def test_base_paths(http: Any, mode: str | None, servers: list[dict[str, Any]], key: str) -> None:
    api = document({"/e": {"get": to_web("https://web.example")}}, servers=servers)

    made = import_api(http, api, **({} if mode is None else {"Basepath": mode}))

    assert list(routes_of(http, made["ApiId"])) == [key]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid OpenAPI input."),
        ("a: [", "Invalid OpenAPI input."),
        ('"text"', "Invalid OpenAPI input."),
        (json.dumps({"openapi": "3.1.0", "info": {}, "paths": {}}), "Invalid OpenAPI input."),
        (
            json.dumps({"swagger": "2.0", "info": {}, "paths": {}}),
            "Unable to parse API definition: HTTP APIs take OpenAPI 3.0 documents",
        ),
        (json.dumps(document({"/x": 5})), "Invalid OpenAPI input."),
        (
            json.dumps(
                document(
                    {
                        "/a": {"get": to_web("ftp://no.example")},
                        "/b/": {"get": to_web("https://web.example")},
                        "/ok": {"get": to_web("https://web.example")},
                    }
                )
            ),
            "Errors found during import:\n"
            "\tUnable to create route 'GET /a': Invalid HTTP endpoint specified for URI",
        ),
        (
            json.dumps(document({"/a": {"get": {"security": [{"nowhere": []}], **to_web("https://web.example")}}})),
            "Errors found during import:\n\tUnable to find security scheme 'nowhere'",
        ),
        (
            json.dumps(
                document(
                    {"/a": {"get": {"security": [{"plain": []}], **to_web("https://web.example")}}},
                    components={"securitySchemes": {"plain": {"type": "http", "scheme": "bearer"}}},
                )
            ),
            "Errors found during import:\n"
            "\tSecurity scheme 'plain' has no authorizer: it would protect nothing",
        ),
        (
            json.dumps(
                document(
                    {"/a": {"get": {"security": [{"bad": []}], **to_web("https://web.example")}}},
                    components={"securitySchemes": {"bad": jwt_scheme("http://issuer.example", "a")}},
                )
            ),
            "Errors found during import:\n"
            "\tUnable to create authorizer 'bad': Invalid issuer: http://issuer.example. Issuer must be an https URL",
        ),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_enforced_makes_nothing(http: Any, body: str, message: str) -> None:
    before = {api["ApiId"] for api in http.get_apis()["Items"]}

    assert refused(http.import_api, Body=body) == (400, "BadRequestException", message)
    assert {api["ApiId"] for api in http.get_apis()["Items"]} == before


def test_two_requirements_of_one_operation_are_refused(http: Any, pool: Pool) -> None:
    """Reference: an operation of an HTTP API names one; either of two would be weaker than what AWS enforces."""
    schemes = {"one": jwt_scheme(pool.issuer, "a"), "two": jwt_scheme(pool.issuer, "b")}
    for requirements in ([{"one": []}, {"two": []}], [{"one": [], "two": []}]):
        api = document(
            {"/a": {"get": {"security": requirements, **to_web("https://web.example")}}},
            components={"securitySchemes": schemes},
        )
        status, code, message = refused(http.import_api, Body=json.dumps(api))
        assert (status, code) == (400, "BadRequestException")
        assert message.startswith("Errors found during import:\n\t")


def test_a_reimport_replaces_what_the_document_says_and_keeps_the_rest(
    server: Server, http: Any, pool: Pool, client: dict[str, Any], web: Web
) -> None:
    """Routes, integrations, authorizers, CORS are the new document's; stages, deployments, tags stay; 201."""
    jwt = jwt_scheme(pool.issuer, client["ClientId"])
    first = document(
        {
            "/old": {"get": {"security": [{"jwt": []}], **to_web(web.url)}},
            "/both": {"get": to_web(web.url + "/one")},
        },
        components={"securitySchemes": {"jwt": jwt}},
        tags=[{"name": "kept", f"{EXTENSION}tag-value": "1"}],
        **{f"{EXTENSION}cors": {"allowOrigins": ["https://app.example"]}},
    )
    api_id = import_api(http, first)["ApiId"]
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    manual = http.create_deployment(ApiId=api_id, Description="mine")["DeploymentId"]
    http.create_stage(ApiId=api_id, StageName="still", DeploymentId=manual)
    before = {one["DeploymentId"] for one in http.get_deployments(ApiId=api_id)["Items"]}

    second = document(
        {
            "/new": {"get": {"security": [{"other": ["orders/read"]}], **to_web(web.url)}},
            "/both": {"get": to_web(web.url + "/two")},
        },
        components={"securitySchemes": {"other": jwt}},
    )
    second["info"] = {"title": "renamed", "version": "2"}
    made = http.reimport_api(ApiId=api_id, Body=json.dumps(second))

    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (made["ApiId"], made["Name"], made["Version"], made["Tags"]) == (api_id, "renamed", "2", {"kept": "1"})
    assert "CorsConfiguration" not in made
    assert set(routes_of(http, api_id)) == {"GET /new", "GET /both"}
    assert [one["Name"] for one in http.get_authorizers(ApiId=api_id)["Items"]] == ["other"]
    assert len(http.get_integrations(ApiId=api_id)["Items"]) == 2
    after = {one["DeploymentId"] for one in http.get_deployments(ApiId=api_id)["Items"]}
    assert len(after - before) == 1, "one document is one deployment"
    assert http.get_stage(ApiId=api_id, StageName="$default")["DeploymentId"] in after - before

    def status(path: str) -> int:
        return call(server, "GET", f"/_aws/execute-api/{api_id}{path}").status

    assert [status(path) for path in ("/old", "/new", "/both", "/still/old", "/still/new", "/still/both")] == [
        404, 401, 200, 401, 404, 200,
    ]  # fmt: skip
    assert [seen.target for seen in web.seen[-2:]] == ["/two", "/one"]


def test_a_refused_reimport_changes_nothing(server: Server, http: Any, web: Web) -> None:
    api_id = import_api(http, document({"/x": {"get": to_web(web.url)}}))["ApiId"]
    http.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True, RouteSettings={"GET /x": {}})
    stage = http.get_stage(ApiId=api_id, StageName="$default")
    routes = routes_of(http, api_id)

    bad = document({"/y": {"get": to_web("ftp://no.example")}})
    assert refused(http.reimport_api, ApiId=api_id, Body=json.dumps(bad))[0] == 400
    gone = document({"/y": {"get": to_web(web.url)}})
    assert refused(http.reimport_api, ApiId=api_id, Body=json.dumps(gone)) == (
        404,
        "NotFoundException",
        "Unable to find Route by key GET /x within the provided RouteSettings",
    )
    assert refused(http.reimport_api, ApiId="nothere123", Body=json.dumps(gone))[:2] == (404, "NotFoundException")

    assert routes_of(http, api_id) == routes
    after = http.get_stage(ApiId=api_id, StageName="$default")
    assert (after["DeploymentId"], after["LastUpdatedDate"]) == (stage["DeploymentId"], stage["LastUpdatedDate"])
    assert call(server, "GET", f"/_aws/execute-api/{api_id}/x").status == 200
