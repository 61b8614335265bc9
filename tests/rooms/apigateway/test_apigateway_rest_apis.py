"""REST APIs: what AWS fills in, refuses and changes by patch operations (reference, control plane, 1.4, 2.2, 3.3)."""

import json
from typing import Any

import pytest

from tests.rooms.apigateway.driver import ACCOUNT, REGION, Api, Client, as_patches, refusal

INVALID_POLICY = "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."


def test_a_private_api_is_dualstack_with_tls_1_2(client: Client) -> None:
    created = client.create_rest_api(
        name="x", endpointConfiguration={"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-1"]}
    )

    assert created["endpointConfiguration"] == {
        "types": ["PRIVATE"],
        "ipAddressType": "dualstack",
        "vpcEndpointIds": ["vpce-1"],
    }
    assert created["securityPolicy"] == "TLS_1_2"


def test_an_empty_endpoint_configuration_is_edge(client: Client) -> None:
    created = client.create_rest_api(name="x", endpointConfiguration={})

    assert created["endpointConfiguration"] == {"types": ["EDGE"], "ipAddressType": "ipv4"}


def test_tags_are_absent_after_create_and_empty_after_get(client: Client) -> None:
    created = client.create_rest_api(name="x")

    assert "tags" not in created
    assert client.get_rest_api(restApiId=created["id"]) == {**created, "tags": {}}
    assert "tags" not in client.get_rest_apis()["items"][0]


def test_empty_binary_media_types_are_absent(client: Client) -> None:
    assert "binaryMediaTypes" not in client.create_rest_api(name="x", binaryMediaTypes=[])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"description": ""}, "Description cannot be an empty string"),
        (
            {"endpointConfiguration": {"types": []}},
            "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
        ),
        (
            {"endpointConfiguration": {"types": ["EDGE", "REGIONAL"]}},
            "Cannot create an api with multiple Endpoint Types.",
        ),
        (
            {"endpointConfiguration": {"types": ["PRIVATE"], "ipAddressType": "ipv4"}},
            "Only dualstack ipAddressType is supported for Private APIs.",
        ),
        (
            {"minimumCompressionSize": 10485761},
            "Invalid minimum compression size, must be between 0 and 10485760",
        ),
        ({"minimumCompressionSize": -1}, "Invalid minimum compression size, must be between 0 and 10485760"),
        (
            {"description": "", "endpointConfiguration": {"types": ["PRIVATE"], "ipAddressType": "ipv4"}},
            "Description cannot be an empty string",
        ),
        ({"policy": "no json"}, INVALID_POLICY),
        ({"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'}, INVALID_POLICY),
        ({"policy": '{"Statement": {"Effect": "Allow", "Principal": "*", "Resource": "*"}}'}, INVALID_POLICY),
    ],
)
def test_create_refuses(client: Client, members: dict[str, Any], message: str) -> None:
    assert refusal(client.create_rest_api, name="x", **members) == ("BadRequestException", message)


@pytest.mark.parametrize("operation", ["get_rest_api", "update_rest_api", "delete_rest_api", "get_models"])
def test_an_unknown_api_is_told_with_the_account(client: Client, operation: str) -> None:
    """Reference 3.2."""
    assert refusal(getattr(client, operation), restApiId="unknown") == (
        "NotFoundException",
        f"Invalid API identifier specified {ACCOUNT}:unknown",
    )


def test_ids_are_compared_with_their_case(client: Client) -> None:
    client.create_rest_api(name="x", tags={"_custom_id_": "abc"})

    assert refusal(client.get_rest_api, restApiId="ABC")[0] == "NotFoundException"


def test_another_account_does_not_see_an_api(api: Api) -> None:
    other = api.client.as_account("111122223333")

    assert other.get_rest_apis() == {"items": []}
    assert refusal(other.get_rest_api, restApiId=api.id)[0] == "NotFoundException"
    assert refusal(other.get_resources, restApiId=api.id)[0] == "NotFoundException"


@pytest.mark.parametrize("tag", ["_custom_id_", "ms-custom-id"])
def test_a_tag_pins_the_id(client: Client, tag: str) -> None:
    created = client.create_rest_api(name="x", tags={tag: "my-api"})

    assert created["id"] == "my-api"
    assert refusal(client.create_rest_api, name="y", tags={tag: "my-api"})[0] == "ConflictException"


@pytest.mark.parametrize("api_id", ["", "a/b", "A", "a.b", "-a", "a" * 64])
def test_a_pinned_id_must_fit_a_host_name(client: Client, api_id: str) -> None:
    assert refusal(client.create_rest_api, name="x", tags={"_custom_id_": api_id})[0] == "BadRequestException"


def test_a_policy_comes_back_escaped_with_whole_arns(client: Client) -> None:
    """Reference 1.4: JSON text whose quotes are escaped once more; the short resource form is expanded."""
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/*"}
        ],
    }

    created = client.create_rest_api(name="x", policy=json.dumps(policy))

    assert created["policy"].startswith('{\\"Version\\":\\"2012-10-17\\"')
    stored = json.loads(json.loads(f'"{created["policy"]}"'))
    resource = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{created['id']}/prod/*"
    assert stored["Statement"][0]["Resource"] == resource
    assert "policy" not in patch(client, created["id"], ("replace", "/policy", ""))


def test_delete_takes_everything_below(api: Api) -> None:
    api.deployed()

    api.client.delete_rest_api(restApiId=api.id)

    assert refusal(api.client.get_stage, restApiId=api.id, stageName="prod")[0] == "NotFoundException"
    assert api.client.get_rest_apis() == {"items": []}


def test_lists_go_page_by_page(client: Client) -> None:
    """Reference 6: a position, absent on the last page; limits out of range are tolerated."""
    ids = sorted(client.create_rest_api(name=f"x{number}")["id"] for number in range(3))

    first = client.get_rest_apis(limit=2)
    second = client.get_rest_apis(limit=2, position=first["position"])

    assert [each["id"] for each in first["items"] + second["items"]] == ids
    assert "position" not in second
    assert len(client.get_rest_apis(limit=-1)["items"]) == 3
    assert len(client.get_rest_apis(limit=100000)["items"]) == 3


def test_a_clone_has_its_own_ids_and_the_same_parts(api: Api) -> None:
    orders = api.resource("orders")
    authorizer = api.authorizer()
    api.method(orders, authorizationType="COGNITO_USER_POOLS", authorizerId=authorizer)
    api.integration(orders)
    api.deployed()

    clone = api.client.create_rest_api(name="copy", cloneFrom=api.id)

    resources = {
        each["path"]: each for each in api.client.get_resources(restApiId=clone["id"], embed=["methods"])["items"]
    }
    copied = api.client.get_authorizers(restApiId=clone["id"])["items"][0]
    method = resources["/orders"]["resourceMethods"]["GET"]
    assert resources["/"]["id"] == clone["rootResourceId"] != api.root
    assert resources["/orders"]["parentId"] == clone["rootResourceId"]
    assert method["authorizerId"] == copied["id"] != authorizer
    assert method["methodIntegration"]["cacheNamespace"] == resources["/orders"]["id"] != orders
    assert api.client.get_stages(restApiId=clone["id"]) == {"item": []}
    assert refusal(api.client.create_rest_api, name="x", cloneFrom="unknown")[0] == "NotFoundException"


# Patch operations


def patch(client: Client, api_id: str, *operations: tuple[str, ...]) -> Any:
    return client.update_rest_api(restApiId=api_id, patchOperations=as_patches(*operations))


def test_an_empty_list_answers_the_resource(api: Api) -> None:
    assert patch(api.client, api.id) == api.client.get_rest_api(restApiId=api.id)


def test_members_change(api: Api) -> None:
    changed = patch(
        api.client,
        api.id,
        ("replace", "/name", "new"),
        ("add", "/description", "text"),
        ("replace", "/apiKeySource", "AUTHORIZER"),
        ("replace", "/disableExecuteApiEndpoint", "True"),
        ("replace", "/minimumCompressionSize", "1024"),
    )

    assert (changed["name"], changed["description"], changed["apiKeySource"]) == ("new", "text", "AUTHORIZER")
    assert changed["disableExecuteApiEndpoint"] is True
    assert changed["minimumCompressionSize"] == 1024
    changed = patch(api.client, api.id, ("replace", "/minimumCompressionSize", ""), ("remove", "/description"))
    assert "minimumCompressionSize" not in changed
    assert "description" not in changed


def test_binary_media_types_change_one_by_one(api: Api) -> None:
    """The type is the path's, also a `-`; a replacement goes to the end."""
    changed = patch(
        api.client,
        api.id,
        ("add", "/binaryMediaTypes/image~1png", "ignored"),
        ("add", "/binaryMediaTypes/image~1jpg"),
        ("add", "/binaryMediaTypes/-", "image/gif"),
    )
    assert changed["binaryMediaTypes"] == ["image/png", "image/jpg", "-"]

    changed = patch(
        api.client, api.id, ("replace", "/binaryMediaTypes/image~1png", "image/heif"), ("remove", "/binaryMediaTypes/-")
    )
    assert changed["binaryMediaTypes"] == ["image/jpg", "image/heif"]

    changed = patch(
        api.client,
        api.id,
        ("remove", "/binaryMediaTypes/image~1jpg"),
        ("remove", "/binaryMediaTypes/image~1heif"),
    )
    assert "binaryMediaTypes" not in changed


def test_endpoint_types_walk_in_one_list(api: Api) -> None:
    changed = patch(
        api.client,
        api.id,
        ("replace", "/endpointConfiguration/types/EDGE", "REGIONAL"),
        ("replace", "/endpointConfiguration/types/0", "PRIVATE"),
        ("add", "/endpointConfiguration/vpcEndpointIds", "vpce-1"),
    )

    assert changed["endpointConfiguration"] == {
        "types": ["PRIVATE"],
        "ipAddressType": "dualstack",
        "vpcEndpointIds": ["vpce-1"],
    }


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (("replace", "/binaryMediaTypes", "x"), "Invalid patch path /binaryMediaTypes"),
        (("add", "/nope", "x"), "Invalid patch path /nope"),
        (("add", "/name", "x"), "Invalid patch operation specified. Must be one of: [replace]"),
        (("replace",), "Invalid patch path null"),
        (("replace", "name", "x"), "Invalid patch path name"),
        (("replace", "/description", ""), "Description cannot be an empty string"),
        (
            ("remove", "/endpointConfiguration/types/EDGE"),
            "Invalid patch operation specified. Must be 'add'|'remove'|'replace'",
        ),
        (
            ("replace", "/endpointConfiguration/types/EDGE", "WRONG"),
            "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
        ),
        (
            ("replace", "/endpointConfiguration/ipAddressType", "ipv6"),
            "ipAddressType must be either ipv4 or dualstack.",
        ),
        (
            ("replace", "/minimumCompressionSize", "-1"),
            "Invalid minimum compression size, must be between 0 and 10485760",
        ),
        (
            ("replace", "/minimumCompressionSize", "text"),
            "Invalid minimum compression size, must be between 0 and 10485760",
        ),
    ],
)
def test_a_bad_operation_is_refused_in_awss_words(api: Api, operation: tuple[str, ...], message: str) -> None:
    """Reference 2.1, 2.2."""
    refused = refusal(api.client.update_rest_api, restApiId=api.id, patchOperations=as_patches(operation))

    assert refused == ("BadRequestException", message)


def test_ipv4_is_refused_for_a_private_api(client: Client) -> None:
    api = Api(client, endpointConfiguration={"types": ["PRIVATE"]})

    operation = ("replace", "/endpointConfiguration/ipAddressType", "ipv4")

    assert refusal(client.update_rest_api, restApiId=api.id, patchOperations=as_patches(operation)) == (
        "BadRequestException",
        "Only dualstack ipAddressType is supported for Private APIs.",
    )


def test_one_failing_operation_leaves_nothing_changed(api: Api) -> None:
    """Reference 2: the operations are applied all or none."""
    operations = as_patches(("replace", "/name", "new"), ("replace", "/nope", "x"))

    refusal(api.client.update_rest_api, restApiId=api.id, patchOperations=operations)

    assert api.client.get_rest_api(restApiId=api.id)["name"] == "orders"


# Tags


def test_tags_merge_and_go(api: Api) -> None:
    """Reference 5.9."""
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api.id}"

    api.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    api.client.tag_resource(resourceArn=arn, tags={"b": "3"})
    assert api.client.get_tags(resourceArn=arn) == {"tags": {"a": "1", "b": "3"}}
    assert api.client.get_rest_api(restApiId=api.id)["tags"] == {"a": "1", "b": "3"}

    api.client.untag_resource(resourceArn=arn, tagKeys=["a", "b", "none"])
    assert api.client.get_tags(resourceArn=arn) == {"tags": {}}


def test_a_stage_has_tags_of_its_own(api: Api) -> None:
    api.deployed()
    arn = f"arn:aws:apigateway:{REGION}::/restapis/{api.id}/stages/prod"

    api.client.tag_resource(resourceArn=arn, tags={"a": "1"})

    assert api.client.get_stage(restApiId=api.id, stageName="prod")["tags"] == {"a": "1"}
    assert api.client.get_rest_api(restApiId=api.id)["tags"] == {}


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("nonsense", "BadRequestException"),
        (f"arn:aws:apigateway:{REGION}::/unknown/x", "BadRequestException"),
        ("arn:aws:apigateway:eu-west-1::/restapis/x", "BadRequestException"),
        (f"arn:aws:apigateway:{REGION}::/restapis/unknown", "NotFoundException"),
    ],
)
def test_tags_of_nothing_are_refused(client: Client, arn: str, code: str) -> None:
    assert refusal(client.get_tags, resourceArn=arn)[0] == code


@pytest.mark.parametrize(
    "tags", [{"aws:x": "1"}, {"": "1"}, {"a" * 129: "1"}, {f"k{n}": "1" for n in range(51)}, {"a": "v" * 257}]
)
def test_bad_tags_are_refused(client: Client, tags: dict[str, str]) -> None:
    assert refusal(client.create_rest_api, name="x", tags=tags)[0] == "BadRequestException"


# Account


def test_the_account_has_a_log_role_when_set(client: Client) -> None:
    """Reference 1.4, 5.5."""
    account = {
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
        "features": ["UsagePlans"],
        "apiKeyVersion": "4",
    }
    assert client.get_account() == account

    role = f"arn:aws:iam::{ACCOUNT}:role/logs"
    changed = client.update_account(patchOperations=as_patches(("replace", "/cloudwatchRoleArn", role)))

    assert changed == client.get_account() == {**account, "cloudwatchRoleArn": role}
    assert "cloudwatchRoleArn" not in client.as_account("111122223333").get_account()
    wrong = as_patches(("replace", "/cloudwatchRoleArn", "no-arn"))
    assert refusal(client.update_account, patchOperations=wrong)[0] == "BadRequestException"
