"""CORS of both kinds of API, customised gateway responses, and what goes live when: by boto3, then raw calls.

Source: reference, "REST: customisation", "REST CORS", "HTTP CORS", "Stages"; control plane, "v1 deployments", "v2".
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server import ACCOUNT, REGION, Pool, Server, allow_gateway, make_function, make_pool, zipped
from tests.wire.gateways import Answer, HttpApi, RestApi, Web, access_token, call, id_token, serving_web

pytestmark = pytest.mark.xdist_group("gateway-live")


@pytest.fixture(scope="module")
def pool(server: Server) -> Pool:
    return make_pool(server, "live")


@pytest.fixture(scope="module")
def client(pool: Pool) -> dict[str, Any]:
    return pool.client("orders/read", "orders/write")


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving_web() as service:
        service.answers["/cors"] = (
            b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://theirs.example\r\n"
            b"Access-Control-Allow-Methods: DELETE\r\nVary: Origin\r\nContent-Length: 2\r\n\r\nok"
        )
        yield service


def cors(answer: Answer) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers if name.lower().startswith("access-control-")}


# REST: a preflight is a MOCK method


PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}


def put_preflight(api: RestApi, path: str, status: str, template: str, **headers: str) -> None:
    """As the console (200), CDK (204) and SAM build it."""
    names = {f"method.response.header.{name.replace('_', '-')}": f"'{value}'" for name, value in headers.items()}
    where = api.where("OPTIONS", path)
    api.client.put_method(**where, authorizationType="NONE")
    api.client.put_method_response(**where, statusCode=status, responseParameters=dict.fromkeys(names, False))
    api.client.put_integration(**where, type="MOCK", requestTemplates={"application/json": template})
    api.client.put_integration_response(**where, statusCode=status, responseParameters=names)


def test_rest_preflights_as_tools_build_them(server: Server, web: Web, pool: Pool) -> None:
    api = RestApi(server)
    allowed = {
        "Access_Control_Allow_Headers": "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token",
        "Access_Control_Allow_Methods": "GET,OPTIONS",
        "Access_Control_Allow_Origin": "*",
    }
    api.web("GET", "/console", web.url, **api.cognito(pool), authorizationScopes=["orders/read"])
    put_preflight(api, "/console", "200", '{"statusCode": 200}', **allowed)
    put_preflight(api, "/cdk", "204", "{ statusCode: 204 }", **allowed, Vary="Origin")
    api.deploy()

    for path, status in (("/console", 200), ("/cdk", 204)):
        answer = api.call("OPTIONS", path, PREFLIGHT)
        assert (answer.status, answer.body) == (status, b"")
        assert cors(answer) == {
            "access-control-allow-headers": "Content-Type,X-Amz-Date,Authorization,X-Api-Key,X-Amz-Security-Token",
            "access-control-allow-methods": "GET,OPTIONS",
            "access-control-allow-origin": "*",
        }
        names = {"Date", "Connection", "Content-Type", "x-amzn-RequestId", "x-amz-apigw-id"}
        names |= {"Content-Length"} if status == 200 else {"Vary"}
        assert {name for name in answer.names if not name.startswith("Access-")} == names
    assert cors(api.call("GET", "/console", PREFLIGHT)) == {}, "a refusal has no CORS headers by itself"
    assert api.call("OPTIONS", "/nothing", PREFLIGHT).status == 403


# REST: gateway responses


@pytest.fixture(scope="module")
def custom(server: Server, web: Web, pool: Pool) -> RestApi:
    api = RestApi(server)
    cognito = api.cognito(pool)
    api.web("GET", "/scoped", web.url, **cognito, authorizationScopes=["orders/read"])
    api.web("GET", "/nobody", "http://127.0.0.1:1024/", {"timeoutInMillis": 500})
    validator = api.client.create_request_validator(restApiId=api.id, name="v", validateRequestParameters=True)["id"]
    api.web(
        "GET",
        "/validated",
        web.url,
        requestValidatorId=validator,
        requestParameters={"method.request.querystring.q": True, "method.request.header.X-H": True},
    )
    put = api.client.put_gateway_response
    put(
        restApiId=api.id,
        responseType="UNAUTHORIZED",
        statusCode="418",
        responseParameters={
            "gatewayresponse.header.X-Static": "'a b'",
            "gatewayresponse.header.X-Header": "method.request.header.X-Ask",
            "gatewayresponse.header.X-Query": "method.request.querystring.q",
            "gatewayresponse.header.X-Type": "context.error.responseType",
            "gatewayresponse.header.X-Stage": "stageVariables.colour",
            "gatewayresponse.header.X-Absent": "method.request.header.Absent",
            "gatewayresponse.header.WWW-Authenticate": "'Bearer'",
        },
        responseTemplates={
            "application/json": '{"why":$context.error.messageString,"raw":"$context.error.message",'
            '"type":"$context.error.responseType","status":"$context.status","stage":"$context.stage",'
            '"id":"$context.requestId","colour":"$stageVariables.colour","ask":"$method.request.header.X-Ask",'
            '"unknown":"$context.nothing"}',
            "text/html": "<p>$context.error.message</p>",
        },
    )
    put(
        restApiId=api.id,
        responseType="DEFAULT_4XX",
        responseParameters={"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
    )
    put(
        restApiId=api.id,
        responseType="DEFAULT_5XX",
        statusCode="503",
        responseParameters={"gatewayresponse.header.Retry-After": "'1'"},
        responseTemplates={"application/json": ""},
    )
    put(
        restApiId=api.id,
        responseType="BAD_REQUEST_PARAMETERS",
        responseTemplates={"application/json": '{"detail":$context.error.messageString}'},
    )
    api.deploy(variables={"colour": "blue"})
    return api


def test_a_customised_response_is_applied_to_refused_tokens(
    custom: RestApi, pool: Pool, client: dict[str, Any]
) -> None:
    """Status, headers and body of one type; the system's headers stay. Expired tokens have their own text."""
    expired = access_token(pool, client["ClientId"], exp=int(time.time()) - 1)

    for token, message in ((None, "Unauthorized"), ("x", "Unauthorized"), (expired, "The incoming token has expired")):
        headers = {"X-Ask": 'a "b"', **({} if token is None else {"Authorization": token})}
        answer = custom.call("GET", "/scoped?q=1", headers)
        text = answer.body.decode().replace('a "b"', "ask")
        assert answer.status == 418
        assert json.loads(text) == {
            "why": message,
            "raw": message,
            "type": "UNAUTHORIZED",
            "status": "418",
            "stage": "prod",
            "id": answer.header("x-amzn-requestid"),
            "colour": "blue",
            "ask": "ask",
            "unknown": "",
        }
        assert (answer.header("x-static"), answer.header("x-header")) == ("a b", 'a "b"')
        assert (answer.header("x-query"), answer.header("x-type")) == ("1", "UNAUTHORIZED")
        assert (answer.header("x-stage"), answer.header("x-absent")) == ("blue", None)
        assert answer.header("www-authenticate") == "Bearer"
        assert answer.header("x-amzn-errortype") == "UnauthorizedException"
        assert answer.header("content-type") == "application/json"
        assert answer.header("access-control-allow-origin") is None, "its own entry, not the default's"


def test_the_template_is_chosen_by_accept(custom: RestApi) -> None:
    for accept, kind in (
        ("text/html,*/*;q=0.1", "text/html"), ("text/x, text/html;q=1", "text/html"), ("text/x", "application/json"),
        ("application/json", "application/json"),
    ):  # fmt: skip
        answer = custom.call("GET", "/scoped", {"Accept": accept})
        assert answer.header("content-type") == kind
    assert custom.call("GET", "/scoped", {"Accept": "text/html"}).body == b"<p>Unauthorized</p>"


def test_types_without_an_entry_fall_back_to_their_default(server: Server, custom: RestApi) -> None:
    missing = custom.call("GET", "/nothing")
    assert (missing.status, missing.body) == (403, b'{"message":"Missing Authentication Token"}')
    assert missing.header("access-control-allow-origin") == "*"
    assert missing.header("x-amzn-errortype") == "MissingAuthenticationTokenException"

    invalid = custom.call("GET", "/validated")
    assert invalid.status == 400
    assert invalid.json == {"detail": "Missing required request parameters: [X-H, q]"}
    assert invalid.header("access-control-allow-origin") is None
    assert (invalid.header("x-amzn-trace-id") or "").startswith("Root=1-")

    unreachable = custom.call("GET", "/nobody")
    assert (unreachable.status, unreachable.body) == (503, b"")
    assert unreachable.header("retry-after") == "1"

    bad_path = custom.call("GET", "/%zz")
    assert bad_path.status == 400
    unknown_stage = call(server, "GET", "/none/x", host=custom.host)
    assert (unknown_stage.status, unknown_stage.header("access-control-allow-origin")) == (403, None)


def test_a_gateway_response_is_live_with_the_next_deployment(server: Server, web: Web) -> None:
    api = RestApi(server)
    api.web("GET", "/x", web.url)
    api.deploy()
    where = {"restApiId": api.id, "responseType": "MISSING_AUTHENTICATION_TOKEN"}
    api.client.put_gateway_response(**where, statusCode="404", responseTemplates={"application/json": "{}"})

    assert api.call("GET", "/y").status == 403
    api.deploy("other")
    assert (api.call("GET", "/y").status, api.call("GET", "/y", stage="other").status) == (403, 404)
    api.deploy()
    assert (api.call("GET", "/y").status, api.call("GET", "/y").body) == (404, b"{}")
    api.client.delete_gateway_response(**where)
    assert api.call("GET", "/y").status == 404
    api.deploy()
    assert api.call("GET", "/y").body == b'{"message":"Missing Authentication Token"}'


# HTTP: the gateway answers preflights


CORS: dict[str, Any] = {
    "AllowOrigins": ["https://app.example", "http://*"],
    "AllowMethods": ["GET", "POST"],
    "AllowHeaders": ["authorization", "x-b"],
    "ExposeHeaders": ["x-a", "x-b"],
    "AllowCredentials": True,
    "MaxAge": 300,
}
ON_EVERY_ANSWER = {
    "access-control-allow-origin": "https://app.example",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "x-a,x-b",
}


@pytest.fixture(scope="module")
def shared(server: Server, web: Web, pool: Pool, client: dict[str, Any]) -> HttpApi:
    api = HttpApi(server, CorsConfiguration=CORS)
    jwt = api.jwt(pool.issuer, client["ClientId"])
    api.web("GET /cors", web.url + "/cors")
    api.web("GET /scoped", web.url, **jwt, AuthorizationScopes=["orders/read"])
    api.web("ANY /any", web.url, **jwt)
    api.web("OPTIONS /own", web.url + "/cors")
    api.web("GET /nobody", "http://127.0.0.1:1024/", {"TimeoutInMillis": 500})
    return api


def test_http_preflights(shared: HttpApi, web: Web) -> None:
    """Answered for any path that no OPTIONS route takes; nothing behind the gateway is asked."""
    before = len(web.seen)

    for path in ("/cors", "/scoped", "/no/such/route", "/"):
        answer = shared.call("OPTIONS", path, PREFLIGHT)
        assert (answer.status, answer.body) == (204, b"")
        assert cors(answer) == {
            **ON_EVERY_ANSWER,
            "access-control-allow-methods": "GET,POST",
            "access-control-allow-headers": "authorization,x-b",
            "access-control-max-age": "300",
        }
        assert {name.lower() for name in answer.names} - cors(answer).keys() == {
            "date",
            "connection",
            "apigw-requestid",
        }
    for method in ("DELETE", "FOO"):
        assert shared.call("OPTIONS", "/cors", {**PREFLIGHT, "Access-Control-Request-Method": method}).status == 204
    assert len(web.seen) == before


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example", True), ("http://any.example:8080", True), ("https://app.example:443", False),
        ("https://app.example.evil.example", False), ("HTTPS://app.example", False), ("null", False),
        ("http://", False),
    ],
)  # fmt: skip
def test_g18_an_origin_is_compared_whole(shared: HttpApi, origin: str, allowed: bool) -> None:
    preflight = shared.call("OPTIONS", "/cors", {**PREFLIGHT, "Origin": origin})
    assert (preflight.status, bool(cors(preflight))) == (204, allowed)

    answer = shared.call("GET", "/cors", {"Origin": origin})
    assert cors(answer) == ({**ON_EVERY_ANSWER, "access-control-allow-origin": origin} if allowed else {})
    assert answer.header("vary") == "Origin", "the service's own"


def test_every_answer_of_an_http_api_has_cors_headers_of_the_gateway_alone(shared: HttpApi) -> None:
    origin = {"Origin": "https://app.example"}

    for path, status in (("/cors", 200), ("/scoped", 401), ("/nothing", 404), ("/nobody", 503)):
        answer = shared.call("GET", path, origin)
        assert (answer.status, cors(answer)) == (status, ON_EVERY_ANSWER)
        assert cors(shared.call("GET", path)) == {}


def test_g18_a_route_that_takes_options_keeps_its_authorizer(
    shared: HttpApi, pool: Pool, client: dict[str, Any], web: Web
) -> None:
    before = len(web.seen)
    answer = shared.call("OPTIONS", "/any", PREFLIGHT)
    assert (answer.status, answer.header("www-authenticate")) == (401, "Bearer")
    assert cors(answer) == ON_EVERY_ANSWER
    assert len(web.seen) == before

    token = id_token(pool, client["ClientId"])
    assert shared.call("OPTIONS", "/any", {**PREFLIGHT, "Authorization": token}).status == 200
    own = shared.call("OPTIONS", "/own", PREFLIGHT)
    assert (own.status, own.body, cors(own)) == (200, b"ok", ON_EVERY_ANSWER)


def test_options_without_a_preflights_headers_is_a_call_like_any_other(shared: HttpApi) -> None:
    for headers in ({}, {"Origin": "https://app.example"}, {"Access-Control-Request-Method": "GET"}):
        assert shared.call("OPTIONS", "/cors", headers).status == 404


def test_any_origin_is_a_star_and_no_configuration_changes_nothing(server: Server, web: Web) -> None:
    star = HttpApi(server, CorsConfiguration={"AllowOrigins": ["*"]})
    plain = HttpApi(server)
    for api in (star, plain):
        api.web("GET /cors", web.url + "/cors")

    assert cors(star.call("GET", "/cors", PREFLIGHT)) == {"access-control-allow-origin": "*"}
    assert cors(star.call("OPTIONS", "/cors", PREFLIGHT)) == {"access-control-allow-origin": "*"}
    assert plain.call("OPTIONS", "/cors", PREFLIGHT).status == 404
    assert cors(plain.call("GET", "/cors", PREFLIGHT)) == {
        "access-control-allow-origin": "https://theirs.example",
        "access-control-allow-methods": "DELETE",
    }


# what goes live when


def replace(path: str, value: str) -> list[dict[str, str]]:
    return [{"op": "replace", "path": path, "value": value}]


def test_rest_only_a_deployment_changes_what_is_served(
    server: Server, web: Web, pool: Pool, client: dict[str, Any]
) -> None:
    """Resources, methods, integrations, authorization, binary types, a disabled endpoint: all wait, and roll back."""
    api = RestApi(server)
    cognito = api.cognito(pool)
    api.web("GET", "/x", web.url + "/one")
    api.web("GET", "/gone", web.url)
    first = api.deploy()
    rest = api.client
    where = api.where("GET", "/x")

    rest.update_integration(**where, patchOperations=replace("/uri", web.url + "/two"))
    rest.update_method(
        **where,
        patchOperations=[
            *replace("/authorizationType", "COGNITO_USER_POOLS"),
            *replace("/authorizerId", cognito["authorizerId"]),
            {"op": "add", "path": "/authorizationScopes", "value": "orders/read"},
        ],
    )
    rest.delete_resource(restApiId=api.id, resourceId=api.resource("/gone"))
    api.web("GET", "/new", web.url)
    assert [api.call("GET", path).status for path in ("/x", "/gone", "/new")] == [200, 200, 403]
    assert web.seen[-2].target == "/one"

    second = api.deploy()
    token = {"Authorization": access_token(pool, client["ClientId"])}
    assert [api.call("GET", path).status for path in ("/x", "/gone", "/new")] == [401, 403, 200]
    assert api.call("GET", "/x", token).status == 200
    assert web.last.target == "/two"

    stage = {"restApiId": api.id, "stageName": "prod"}
    rest.update_stage(**stage, patchOperations=replace("/deploymentId", first))
    assert [api.call("GET", path).status for path in ("/x", "/gone", "/new")] == [200, 200, 403]
    rest.update_stage(**stage, patchOperations=replace("/deploymentId", second))
    assert api.call("GET", "/x").status == 401

    rest.update_rest_api(restApiId=api.id, patchOperations=replace("/disableExecuteApiEndpoint", "true"))
    assert api.call("GET", "/new").status == 200
    api.deploy()
    assert api.call("GET", "/new").status == 403


def test_rest_stage_settings_and_authorizers_are_live_at_once(
    server: Server, web: Web, pool: Pool, client: dict[str, Any]
) -> None:
    other = make_pool(server, "live-other")
    api = RestApi(server)
    cognito = api.cognito(pool)
    api.web("GET", "/x", "http://${stageVariables.host}/x", **cognito, authorizationScopes=["orders/read"])
    api.deploy(variables={"host": "127.0.0.1:1024"})
    rest, stage = api.client, {"restApiId": api.id, "stageName": "prod"}
    mine = {"Authorization": access_token(pool, client["ClientId"])}
    theirs = {"Authorization": access_token(other, other.client()["ClientId"])}
    assert (api.call("GET", "/x", mine).status, api.call("GET", "/x", theirs).status) == (504, 401)

    host = web.url.removeprefix("http://")
    rest.update_stage(**stage, patchOperations=[{"op": "replace", "path": "/variables/host", "value": host}])
    assert (api.call("GET", "/x", mine).status, api.call("GET", "/x", theirs).status) == (200, 401)
    rest.update_authorizer(
        restApiId=api.id,
        authorizerId=cognito["authorizerId"],
        patchOperations=[{"op": "add", "path": "/providerARNs", "value": other.arn}],
    )
    assert (api.call("GET", "/x", mine).status, api.call("GET", "/x", theirs).status) == (200, 200)
    rest.update_authorizer(
        restApiId=api.id,
        authorizerId=cognito["authorizerId"],
        patchOperations=[{"op": "remove", "path": "/providerARNs", "value": pool.arn}],
    )
    assert (api.call("GET", "/x", mine).status, api.call("GET", "/x", theirs).status) == (401, 200)

    throttle = [
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "0"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "0"},
    ]
    rest.update_stage(**stage, patchOperations=throttle)
    answer = api.call("GET", "/x", theirs)
    assert (answer.status, answer.body) == (429, b'{"message":"Too Many Requests"}')
    assert answer.header("x-amzn-errortype") == "TooManyRequestsException"
    assert answer.header("retry-after") is None


def test_rest_an_authorizer_that_a_deployment_still_needs_leaves_its_method_closed(
    server: Server, web: Web, pool: Pool, client: dict[str, Any]
) -> None:
    """Row 14: in the draft nothing refers to it any more, so it may go; what is deployed is not opened by that."""
    api = RestApi(server)
    cognito = api.cognito(pool)
    api.web("GET", "/x", web.url, **cognito, authorizationScopes=["orders/read"])
    api.deploy()
    where = {"restApiId": api.id, "authorizerId": cognito["authorizerId"]}
    with pytest.raises(ClientError, match=r"Cannot delete authorizer 'pools', is referenced in method: GET//x"):
        api.client.delete_authorizer(**where)

    open_it = [{"op": "replace", "path": "/authorizationType", "value": "NONE"}]
    api.client.update_method(**api.where("GET", "/x"), patchOperations=open_it)
    api.client.delete_authorizer(**where)

    for headers in ({}, {"Authorization": access_token(pool, client["ClientId"])}):
        answer = api.call("GET", "/x", headers)
        assert (answer.status, answer.body) == (500, b'{"message":null}')
        assert answer.header("x-amzn-errortype") == "AuthorizerConfigurationException"
    api.deploy()
    assert api.call("GET", "/x").status == 200


def test_http_a_stage_that_waits_keeps_the_authorizer_of_its_deployment(
    server: Server, web: Web, pool: Pool, client: dict[str, Any]
) -> None:
    api = HttpApi(server)
    jwt = api.jwt(pool.issuer, client["ClientId"])
    route = api.web("GET /x", web.url, **jwt, AuthorizationScopes=["orders/read"])
    deployment = api.client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.stage("still", AutoDeploy=False, DeploymentId=deployment)
    api.client.update_route(ApiId=api.id, RouteId=route, AuthorizationType="NONE")
    api.client.delete_authorizer(ApiId=api.id, AuthorizerId=jwt["AuthorizerId"])

    assert api.call("GET", "/x").status == 200
    assert api.call("GET", "/still/x").status == 401
    token = access_token(pool, client["ClientId"])
    assert api.call("GET", "/still/x", {"Authorization": token}).status == 200
    wrong = access_token(pool, client["ClientId"], scope="orders/write")
    assert api.call("GET", "/still/x", {"Authorization": wrong}).status == 403


def test_g22_a_token_dies_with_its_client_and_a_route_with_its_deletion(server: Server, web: Web) -> None:
    """Attack G22: what is deleted is refused on the next call, warm or cold."""
    pool = make_pool(server, "dying")
    client = pool.client()
    http, rest = HttpApi(server), RestApi(server)
    route = http.web("GET /x", web.url, **http.jwt(pool.issuer, client["ClientId"]))
    rest.web("GET", "/x", web.url, **rest.cognito(pool), authorizationScopes=["orders/read"])
    rest.deploy()
    token = {"Authorization": server.token(client).json()["access_token"]}
    assert [api.call("GET", "/x", token).status for api in (http, rest, http, rest)] == [200] * 4

    server.aws("cognito-idp").delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])
    assert [api.call("GET", "/x", token).status for api in (http, rest)] == [401, 401]

    http.client.delete_route(ApiId=http.id, RouteId=route)
    http.web("GET /y", web.url)
    assert http.call("GET", "/x").status == 404
    http.client.delete_stage(ApiId=http.id, StageName="$default")
    assert http.call("GET", "/y").status == 404
    rest.client.delete_stage(restApiId=rest.id, stageName="prod")
    assert rest.call("GET", "/x").status == 403
    http.client.delete_api(ApiId=http.id)
    rest.client.delete_rest_api(restApiId=rest.id)
    assert [api.call("GET", "/x").body for api in (http, rest)] == [b'{"message":"Forbidden"}'] * 2


def test_an_alias_is_invoked_by_its_own_permission_and_moves_at_once(server: Server) -> None:
    """Reference, "How the function is called": the qualifier in the URI, a stage variable in its place."""
    lambda_ = server.aws("lambda")
    says = "def handler(event, context): return {{'statusCode': 200, 'body': '{} ' + context.invoked_function_arn}}"
    arn = make_function(server, "aliased", says.format("one"))
    assert lambda_.publish_version(FunctionName="aliased")["Version"] == "1"
    lambda_.update_function_code(FunctionName="aliased", ZipFile=zipped({"app.py": says.format("two")}))
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="aliased", WaiterConfig={"Delay": 1})
    assert lambda_.publish_version(FunctionName="aliased")["Version"] == "2"
    lambda_.create_alias(FunctionName="aliased", Name="live", FunctionVersion="1")
    rest, http = RestApi(server), HttpApi(server, stage=None)
    rest.function("GET", "/x", arn + ":${stageVariables.alias}")
    rest.deploy(variables={"alias": "live"})
    http.function("GET /x", arn + ":live")
    http.stage("$default")
    for api in (rest, http):
        allow_gateway(server, "aliased", api.id)

    assert [api.call("GET", "/x").status for api in (rest, http)] == [500, 500], "the permission is the function's"
    for api in (rest, http):
        lambda_.add_permission(
            FunctionName="aliased",
            Qualifier="live",
            StatementId=f"alias-{api.id}",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/*/GET/x",
        )
    assert [api.call("GET", "/x").body.decode() for api in (rest, http)] == [f"one {arn}:live"] * 2
    lambda_.update_alias(FunctionName="aliased", Name="live", FunctionVersion="2")
    assert [api.call("GET", "/x").body.decode() for api in (rest, http)] == [f"two {arn}:live"] * 2

    rest.client.update_stage(restApiId=rest.id, stageName="prod", patchOperations=replace("/variables/alias", "gone"))
    assert rest.call("GET", "/x").status == 500
    lambda_.delete_alias(FunctionName="aliased", Name="live")
    assert http.call("GET", "/x").status == 500
