"""Attacks on the control plane of REST APIs, by row."""

import pytest

from tests.rooms.apigateway.driver import Api, Client, refusal


def test_u2_a_position_is_of_one_list() -> None:
    """A forged position, or one of another list, API or account, is refused."""
    client = Client()
    first, second = Api(client), Api(client)
    for api in (first, second):
        api.resource("a")
    position = client.get_resources(restApiId=first.id, limit=1)["position"]
    invalid = ("BadRequestException", "Invalid position parameter")

    for forged in ("%%%", "AAAA", "AAAA" * 10, position[:-4], "AAAA" + position[4:]):
        assert refusal(client.get_resources, restApiId=first.id, position=forged) == invalid
    assert refusal(client.get_resources, restApiId=second.id, position=position) == invalid
    assert refusal(client.get_models, restApiId=first.id, position=position) == invalid
    assert refusal(client.as_account("111122223333").get_rest_apis, position=position) == invalid


@pytest.mark.parametrize("text", ["' OR '1'='1", "%", "_", "x'; DROP TABLE apis; --", '$."name"', "\\"])
def test_u2_names_are_values_never_queries(text: str) -> None:
    """What looks like SQL or a pattern finds only what is spelled so."""
    client = Client()
    client.create_api_key(name="orders")

    assert client.get_api_keys(nameQuery=text) == {"items": []}
    assert refusal(client.get_rest_api, restApiId=text)[0] == "NotFoundException"
    key_id = client.create_api_key(name=text)["id"]
    assert [each["id"] for each in client.get_api_keys(nameQuery=text)["items"]] == [key_id]


def test_u2_parts_of_another_account_are_out_of_reach() -> None:
    """Ids of parts say nothing about their owner: the API that they are asked by must be the caller's."""
    owner = Client()
    api = Api(owner)
    authorizer = api.authorizer()
    deployment = api.deployed()
    thief = owner.as_account("111122223333")
    own = Api(thief)
    stolen = {"restApiId": own.id}

    for call, part in (
        (thief.get_resource, {"resourceId": api.root}),
        (thief.delete_resource, {"resourceId": api.root}),
        (thief.get_authorizer, {"authorizerId": authorizer}),
        (thief.update_authorizer, {"authorizerId": authorizer}),
        (thief.get_deployment, {"deploymentId": deployment}),
        (thief.get_stage, {"stageName": "prod"}),
    ):
        assert refusal(call, **stolen, **part)[0] == "NotFoundException"
        assert refusal(call, restApiId=api.id, **part)[0] == "NotFoundException"
    assert refusal(thief.create_stage, **stolen, stageName="x", deploymentId=deployment) == (
        "BadRequestException",
        "Deployment id does not exist",
    )
    assert refusal(thief.create_rest_api, name="x", cloneFrom=api.id)[0] == "NotFoundException"
    assert refusal(thief.create_rest_api, name="x", tags={"_custom_id_": api.id})[0] == "ConflictException"
