"""HTTP APIs: whole answers, quick create, CORS, ids, lists, tags, isolation."""

from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, REGION, Client, refusal
from tests.rooms.apigatewayv2.driver import FUNCTION, HttpApi, http_client

BAD = "BadRequestException"
GONE = "NotFoundException"
SELECTION = "$request.method $request.path"


def test_an_api_is_answered_whole(client: Client) -> None:
    """Reference 1.5: every member that AWS fills in, and none that it lacks."""
    made = client.create_api(Name="orders", ProtocolType="HTTP")

    api_id = made["ApiId"]
    assert len(api_id) == 10
    assert made == {
        "ApiEndpoint": f"https://{api_id}.execute-api.{REGION}.amazonaws.com",
        "ApiId": api_id,
        "ApiKeySelectionExpression": "$request.header.x-api-key",
        "CreatedDate": client.now,
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "Name": "orders",
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": SELECTION,
        "Tags": {},
    }
    assert client.get_api(ApiId=api_id) == made
    assert client.get_apis()["Items"] == [made]


def test_what_is_given_is_answered(client: Client) -> None:
    given = {
        "Name": "orders",
        "ProtocolType": "HTTP",
        "Description": "d",
        "Version": "1",
        "DisableExecuteApiEndpoint": True,
        "IpAddressType": "dualstack",
        "CorsConfiguration": {},
        "Tags": {"a": "b"},
    }

    made = client.create_api(**given, RouteSelectionExpression="${request.method} ${request.path}")

    assert {name: made[name] for name in given} == given
    assert made["RouteSelectionExpression"] == SELECTION


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"ProtocolType": "WEBSOCKET"}, "WebSocket APIs are not supported yet"),
        ({"ProtocolType": "FTP"}, "Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]"),
        (
            {"RouteSelectionExpression": "$request.body.x"},
            f"Route selection expression of an HTTP API must be {SELECTION}",
        ),
        (
            {"CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}},
            "allow-credentials is not supported if 'allow-origin' is *",
        ),
        ({"CorsConfiguration": {"AllowHeaders": ["x\r\ny: z"]}}, "Invalid value for allowHeaders x\r\ny: z"),
        ({"Target": "example.org"}, "Invalid HTTP endpoint specified for URI"),
        ({"Target": "arn:aws:s3:::bucket"}, "Invalid ARN specified in the request"),
        ({"Target": "https://example.org", "CredentialsArn": "x"}, "Invalid ARN specified in the request"),
        ({"Tags": {"aws:x": "y"}}, "Invalid tag key specified: aws:x"),
        (
            {"Tags": {"_custom_id_": "A"}},
            "Invalid API id 'A': a pinned id is at most 63 lower-case letters, digits and inner hyphens",
        ),
    ],
)
def test_what_is_no_http_api_is_refused(client: Client, members: dict[str, Any], message: str) -> None:
    """Reference 3.5. Nothing of a refused quick create stays: an operation is one transaction."""
    assert refusal(client.create_api, **{"Name": "x", "ProtocolType": "HTTP", **members}) == (BAD, message)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("*", True),
        ("https://app.example", True),
        ("http://localhost:3000", True),
        ("https://*", True),
        ("http://*", True),
        ("null", False),
        ("app.example", False),
        ("capacitor://localhost", False),
        ("chrome-extension://abc", False),
        ("https://*.example.org", False),
        ("https://app.example/", False),
        ("https://app.example\r\nx: y", False),
    ],
)
def test_origins_are_star_or_http(client: Client, origin: str, allowed: bool) -> None:
    api = HttpApi(client)
    request = {"ApiId": api.id, "CorsConfiguration": {"AllowOrigins": [origin]}}

    if allowed:
        assert client.update_api(**request)["CorsConfiguration"] == {"AllowOrigins": [origin]}
    else:
        assert refusal(client.update_api, **request) == (BAD, f"Invalid format for origin {origin}")


@pytest.mark.parametrize(
    ("target", "kind", "verb", "version"),
    [("https://example.org/", "HTTP_PROXY", "ANY", "1.0"), (FUNCTION, "AWS_PROXY", "POST", "2.0")],
)
def test_a_quick_create_makes_managed_parts(client: Client, target: str, kind: str, verb: str, version: str) -> None:
    """Reference 1.5: an integration, a route and a stage that deploys by itself, all managed."""
    api = HttpApi(client, Target=target)

    (integration,) = client.get_integrations(ApiId=api.id)["Items"]
    (route,) = client.get_routes(ApiId=api.id)["Items"]
    (stage,) = client.get_stages(ApiId=api.id)["Items"]
    (deployment,) = api.deployments()
    integration_id = integration["IntegrationId"]
    assert integration == {
        "ApiGatewayManaged": True,
        "ConnectionType": "INTERNET",
        "IntegrationId": integration_id,
        "IntegrationMethod": verb,
        "IntegrationType": kind,
        "IntegrationUri": target,
        "PayloadFormatVersion": version,
        "TimeoutInMillis": 30000,
    }
    assert (route["RouteKey"], route["Target"]) == ("$default", f"integrations/{integration_id}")
    assert route["ApiGatewayManaged"] is True
    assert (stage["StageName"], stage["AutoDeploy"], stage["ApiGatewayManaged"]) == ("$default", True, True)
    assert stage["DeploymentId"] == deployment["DeploymentId"]


def test_managed_parts_are_changed_but_not_deleted(client: Client) -> None:
    api = HttpApi(client, Target="https://example.org/", RouteKey="GET /x")
    integration_id = client.get_integrations(ApiId=api.id)["Items"][0]["IntegrationId"]
    route_id = client.get_routes(ApiId=api.id)["Items"][0]["RouteId"]

    client.update_api(ApiId=api.id, Target=FUNCTION, RouteKey="POST /x")

    assert client.get_route(ApiId=api.id, RouteId=route_id)["RouteKey"] == "POST /x"
    integration = client.get_integration(ApiId=api.id, IntegrationId=integration_id)
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == ("AWS_PROXY", "2.0")
    assert integration["ApiGatewayManaged"] is True
    assert refusal(client.update_api, ApiId=api.id, Target="nowhere")[0] == BAD
    assert refusal(client.delete_integration, ApiId=api.id, IntegrationId=integration_id)[0] == BAD
    assert refusal(client.delete_route, ApiId=api.id, RouteId=route_id)[0] == BAD
    assert refusal(client.delete_stage, ApiId=api.id, StageName="$default")[0] == BAD
    plain = HttpApi(client)
    assert refusal(client.update_api, ApiId=plain.id, Target=FUNCTION)[0] == BAD


def test_an_update_leaves_what_it_does_not_name(client: Client) -> None:
    api = HttpApi(client, Description="d", CorsConfiguration={"AllowOrigins": ["*"]})

    updated = client.update_api(ApiId=api.id, Name="new")

    assert (updated["Name"], updated["Description"]) == ("new", "d")
    assert updated["CorsConfiguration"] == {"AllowOrigins": ["*"]}
    client.delete_cors_configuration(ApiId=api.id)
    assert "CorsConfiguration" not in client.get_api(ApiId=api.id)


def test_an_api_is_deleted_with_its_parts(client: Client) -> None:
    api = HttpApi(client, Target="https://example.org/")

    client.delete_api(ApiId=api.id)

    message = f"Invalid API identifier specified {ACCOUNT}:{api.id}"
    for call, more in (
        (client.get_api, {}),
        (client.get_routes, {}),
        (client.get_stage, {"StageName": "$default"}),
        (client.delete_api, {}),
    ):
        assert refusal(call, ApiId=api.id, **more) == (GONE, message)
    assert refusal(client.get_api, ApiId=api.id.upper()) == (GONE, message.replace(api.id, api.id.upper()))


@pytest.mark.parametrize("tag", ["_custom_id_", "ms-custom-id"])
def test_a_tag_pins_the_id(client: Client, tag: str) -> None:
    """Reference 1.1; both kinds of API share one space of ids, whoever owns them."""
    made = client.create_api(Name="x", ProtocolType="HTTP", Tags={tag: "my-api"})

    assert (made["ApiId"], made["Tags"]) == ("my-api", {tag: "my-api"})
    again = {"Name": "x", "ProtocolType": "HTTP", "Tags": {tag: "my-api"}}
    assert refusal(client.create_api, **again)[0] == "ConflictException"
    assert refusal(client.as_account("111122223333").create_api, **again)[0] == "ConflictException"


def test_tags_merge(client: Client, api: HttpApi) -> None:
    """Reference 5.9."""
    api.stage(Tags={"s": "1"})
    arn = f"arn:aws:apigateway:{REGION}::/apis/{api.id}"

    client.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
    client.tag_resource(ResourceArn=arn, Tags={"b": "3"})
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "never"])
    client.tag_resource(ResourceArn=f"{arn}/stages/$default", Tags={"t": "2"})

    assert client.get_tags(ResourceArn=arn) == {"Tags": {"b": "3"}}
    assert client.get_api(ApiId=api.id)["Tags"] == {"b": "3"}
    assert api.get_stage()["Tags"] == {"s": "1", "t": "2"}
    assert refusal(client.tag_resource, ResourceArn=arn, Tags={"aws:x": "y"})[0] == BAD
    assert refusal(client.tag_resource, ResourceArn=arn, Tags={str(n): "" for n in range(50)})[0] == BAD
    assert refusal(client.get_tags, ResourceArn="arn:aws:s3:::x")[0] == BAD
    assert refusal(client.get_tags, ResourceArn=arn.replace(REGION, "eu-west-1"))[0] == BAD
    assert refusal(client.get_tags, ResourceArn=f"{arn}/stages/none")[0] == GONE


def test_a_list_is_paged_by_sealed_tokens(client: Client, api: HttpApi) -> None:
    """Attack U2: a token forged, or of another list, API or account, is refused."""
    for number in range(5):
        api.route(f"GET /r{number}")

    found, token = [], None
    while True:
        page = client.get_routes(ApiId=api.id, MaxResults="2", **({"NextToken": token} if token else {}))
        found.append([route["RouteId"] for route in page["Items"]])
        token = page.get("NextToken")
        if token is None:
            break
        last = token

    assert [len(part) for part in found] == [2, 2, 1]
    assert len({route for part in found for route in part}) == 5
    assert "NextToken" not in client.get_routes(ApiId=api.id)
    other = HttpApi(client)
    invalid = (BAD, "Invalid nextToken value")
    for forged in ("%%%", "AAAA" * 10, found[0][0], last[:-4], "AAAA" + last[4:]):
        assert refusal(client.get_routes, ApiId=api.id, NextToken=forged) == invalid
    assert refusal(client.get_routes, ApiId=other.id, NextToken=last) == invalid
    assert refusal(client.get_stages, ApiId=api.id, NextToken=last) == invalid
    assert refusal(client.get_apis, NextToken=last) == invalid


def test_the_list_of_apis_is_paged_for_its_owner(client: Client) -> None:
    made = {HttpApi(client).id for _ in range(3)}
    stranger = client.as_account("111122223333")
    HttpApi(stranger)

    first = client.get_apis(MaxResults="2")
    second = client.get_apis(MaxResults="2", NextToken=first["NextToken"])

    assert {api["ApiId"] for api in first["Items"] + second["Items"]} == made
    assert "NextToken" not in second
    assert refusal(stranger.get_apis, NextToken=first["NextToken"]) == (BAD, "Invalid nextToken value")


@pytest.mark.parametrize("size", ["0", "-1", "1001", "x", "1.5", "", "٣", "9" * 5000])
def test_a_page_size_that_is_none_is_refused(client: Client, size: str) -> None:
    assert refusal(client.get_apis, MaxResults=size) == (BAD, "Invalid maxResults value")


def test_quotas_bind_only_when_asked_for() -> None:
    """Reference 3.6."""
    for strict in (False, True):
        client = http_client(aws_quotas=strict)
        api = HttpApi(client)
        for number in range(10):
            api.stage(f"s{number}")
            api.authorizer(Name=f"a{number}")
        if strict:
            assert refusal(api.stage, name="more")[0] == "TooManyRequestsException"
            assert refusal(api.authorizer, Name="more")[0] == "TooManyRequestsException"
        else:
            api.stage("more")


def test_o24_accounts_and_regions_do_not_see_each_other(client: Client) -> None:
    """Every operation on a part asks by an API that must be the caller's, in the caller's region."""
    api = HttpApi(client, Target="https://example.org/")
    authorizer = api.authorizer()
    integration = client.get_integrations(ApiId=api.id)["Items"][0]["IntegrationId"]
    route = client.get_routes(ApiId=api.id)["Items"][0]["RouteId"]
    deployment = api.deployments()[0]["DeploymentId"]
    arn = f"arn:aws:apigateway:{REGION}::/apis/{api.id}"
    parts: tuple[tuple[str, dict[str, str]], ...] = (
        ("authorizer", {"AuthorizerId": authorizer}),
        ("integration", {"IntegrationId": integration}),
        ("route", {"RouteId": route}),
        ("deployment", {"DeploymentId": deployment}),
        ("stage", {"StageName": "$default"}),
    )

    for stranger in (client.as_account("111122223333"), client.as_account(ACCOUNT, "eu-west-1")):
        own = HttpApi(stranger)
        for api_id in (api.id, own.id):
            for kind, part in parts:
                for verb in ("get", "update", "delete"):
                    call = getattr(stranger, f"{verb}_{kind}")
                    assert refusal(call, ApiId=api_id, **part)[0] == GONE
        assert refusal(stranger.update_api, ApiId=api.id, Name="x")[0] == GONE
        assert refusal(stranger.delete_api, ApiId=api.id)[0] == GONE
        assert refusal(stranger.create_route, ApiId=api.id, RouteKey="GET /y")[0] == GONE
        for call, more in ((stranger.get_tags, {}), (stranger.tag_resource, {"Tags": {"a": "b"}})):
            assert refusal(call, ResourceArn=arn, **more)[0] in (GONE, BAD)
        theft = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
        assert refusal(own.route, key="GET /x", **theft)[0] == BAD
        assert refusal(own.route, key="GET /x", Target=f"integrations/{integration}")[0] == BAD
        assert refusal(own.stage, name="x", DeploymentId=deployment)[0] == GONE
    assert client.get_api(ApiId=api.id)["Name"] == "orders"
