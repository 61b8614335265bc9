"""Resources: the tree, its rules, and how it moves (reference, control plane, 2.2, 3.2, 3.3)."""

from typing import Any

import pytest

from scopegate.gateway import queries
from tests.rooms.apigateway.driver import Api, Client, Tx, as_patches, refusal

BAD_PART = (
    "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces "
    "at the beginning and the end."
)


def paths(api: Api) -> list[str]:
    return sorted(each["path"] for each in api.client.get_resources(restApiId=api.id, limit=500)["items"])


def test_the_root_has_only_an_id_and_a_path(api: Api) -> None:
    root = api.client.get_resource(restApiId=api.id, resourceId=api.root)

    assert root == {"id": api.root, "path": "/"}


def test_methods_are_shown_whole_only_when_embedded(api: Api) -> None:
    method = api.method(api.root)

    assert api.client.get_resource(restApiId=api.id, resourceId=api.root)["resourceMethods"] == {"GET": {}}
    embedded = api.client.get_resource(restApiId=api.id, resourceId=api.root, embed=["methods"])
    assert embedded["resourceMethods"] == {"GET": method}
    listed = api.client.get_resources(restApiId=api.id, embed=["methods"])["items"]
    assert listed[0]["resourceMethods"] == {"GET": method}


def test_a_sibling_of_the_same_name_is_a_conflict(api: Api) -> None:
    api.resource("orders")

    assert refusal(api.client.create_resource, restApiId=api.id, parentId=api.root, pathPart="orders") == (
        "ConflictException",
        "Another resource with the same parent already has this name: orders",
    )


@pytest.mark.parametrize(("first", "second"), [("{proxy+}", "{id}"), ("{id}", "{other}"), ("{id}", "{proxy+}")])
def test_a_second_variable_sibling_is_refused(api: Api, first: str, second: str) -> None:
    api.resource(first)

    assert refusal(api.client.create_resource, restApiId=api.id, parentId=api.root, pathPart=second) == (
        "BadRequestException",
        f"A sibling ({first}) of this resource already has a variable path part -- only one is allowed",
    )


def test_a_greedy_resource_has_no_children(api: Api) -> None:
    greedy = api.resource("{proxy+}")

    assert refusal(api.client.create_resource, restApiId=api.id, parentId=greedy, pathPart="x") == (
        "BadRequestException",
        "Cannot create a child of a resource with a greedy path variable: {proxy+}",
    )


@pytest.mark.parametrize(
    "part", ["", "a/b", "a b", "{a", "a}", "{}", "{+}", "{a+", "{a}+", "ä", "a\n", "pre{a}", "%41"]
)
def test_a_bad_path_part_is_refused(api: Api, part: str) -> None:
    assert refusal(api.client.create_resource, restApiId=api.id, parentId=api.root, pathPart=part) == (
        "BadRequestException",
        BAD_PART,
    )


@pytest.mark.parametrize("part", ["orders", "v1.0", "a_b-c", "users:batch", "{id}", "{proxy+}", "~x".strip("~")])
def test_a_good_path_part_is_taken(api: Api, part: str) -> None:
    assert api.client.create_resource(restApiId=api.id, parentId=api.root, pathPart=part)["path"] == f"/{part}"


def test_one_path_does_not_name_a_variable_twice(api: Api) -> None:
    parent = api.resource("{id}", "items")

    refused = refusal(api.client.create_resource, restApiId=api.id, parentId=parent, pathPart="{id}")

    assert refused[0] == "BadRequestException"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("create_resource", {"parentId": "unknown", "pathPart": "x"}),
        ("get_resource", {"resourceId": "unknown"}),
        ("update_resource", {"resourceId": "unknown"}),
        ("delete_resource", {"resourceId": "unknown"}),
        ("get_method", {"resourceId": "unknown", "httpMethod": "GET"}),
        ("put_method", {"resourceId": "unknown", "httpMethod": "GET", "authorizationType": "NONE"}),
        ("put_integration", {"resourceId": "unknown", "httpMethod": "GET", "type": "MOCK"}),
    ],
)
@pytest.mark.parametrize("known_api", [True, False])
def test_below_a_resource_everything_unknown_is_an_unknown_resource(
    api: Api, operation: str, members: dict[str, Any], known_api: bool
) -> None:
    """Reference 3.2: an unknown API is told the same way."""
    api_id = api.id if known_api else "unknown"

    assert refusal(getattr(api.client, operation), restApiId=api_id, **members) == (
        "NotFoundException",
        "Invalid Resource identifier specified",
    )


def test_delete_takes_the_subtree(api: Api) -> None:
    api.resource("a", "b", "c")
    api.resource("d")

    api.client.delete_resource(restApiId=api.id, resourceId=api.resource("a"))

    assert paths(api) == ["/", "/d"]
    assert refusal(api.client.delete_resource, restApiId=api.id, resourceId=api.root)[0] == "BadRequestException"


def test_children_follow_a_renamed_and_a_moved_resource(api: Api) -> None:
    api.resource("a", "b", "{id}")
    target = api.resource("z")

    renamed = api.client.update_resource(
        restApiId=api.id, resourceId=api.resource("a"), patchOperations=as_patches(("replace", "/pathPart", "aa"))
    )
    assert renamed["path"] == "/aa"
    assert paths(api) == ["/", "/aa", "/aa/b", "/aa/b/{id}", "/z"]

    moved = api.client.update_resource(
        restApiId=api.id,
        resourceId=api.resource("aa", "b"),
        patchOperations=as_patches(("replace", "/parentId", target)),
    )
    assert (moved["path"], moved["parentId"]) == ("/z/b", target)
    assert paths(api) == ["/", "/aa", "/z", "/z/b", "/z/b/{id}"]


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (("replace", "/pathPart", "x"), "Root resource cannot update its pathPart."),
        (("replace", "/parentId", "x"), "Root resource cannot update its parentId."),
        (
            ("replace", "/x", "x"),
            "Invalid patch path  '/x' specified for op 'replace'. Must be one of: [/parentId, /pathPart]",
        ),
        (
            ("add", "/x", "x"),
            "Invalid patch path  '/x' specified for op 'add'. Please choose supported operations",
        ),
    ],
)
def test_the_root_and_unknown_paths_are_refused(api: Api, operation: tuple[str, ...], message: str) -> None:
    refused = refusal(
        api.client.update_resource, restApiId=api.id, resourceId=api.root, patchOperations=as_patches(operation)
    )

    assert refused == ("BadRequestException", message)


def test_a_resource_cannot_move_below_itself(api: Api) -> None:
    child = api.resource("a", "b")

    def move(parent_id: str) -> tuple[str, str | None]:
        operations = as_patches(("replace", "/parentId", parent_id))
        return refusal(
            api.client.update_resource, restApiId=api.id, resourceId=api.resource("a"), patchOperations=operations
        )

    assert move(child) == ("BadRequestException", "Resources cannot be cyclical.")
    assert move(api.resource("a")) == ("BadRequestException", "Resources cannot be cyclical.")
    assert move("unknown") == ("NotFoundException", "Invalid Resource identifier specified")


def test_a_rename_to_a_taken_name_is_a_conflict(api: Api) -> None:
    api.resource("a")
    operations = as_patches(("replace", "/pathPart", "a"))

    refused = refusal(
        api.client.update_resource, restApiId=api.id, resourceId=api.resource("b"), patchOperations=operations
    )

    assert refused == ("ConflictException", "Another resource with the same parent already has this name: a")


def test_a_parent_does_not_become_greedy(api: Api) -> None:
    api.resource("a", "b")
    operations = as_patches(("replace", "/pathPart", "{proxy+}"))

    refused = refusal(
        api.client.update_resource, restApiId=api.id, resourceId=api.resource("a"), patchOperations=operations
    )

    assert refused[0] == "BadRequestException"


@pytest.mark.parametrize("aws_quotas", [True, False])
def test_the_quota_of_resources_binds_only_with_aws_quotas(aws_quotas: bool) -> None:
    api = Api(Client(aws_quotas=aws_quotas))
    with api.client.transaction() as sql:
        for number in range(299):
            part = {"id": f"r{number}", "parentId": api.root, "pathPart": f"r{number}", "path": f"/r{number}"}
            queries.put_part(Tx(sql), api.id, "resource", part["id"], part)
    one_more = {"restApiId": api.id, "parentId": api.root, "pathPart": "one-more"}

    if aws_quotas:
        assert refusal(api.client.create_resource, **one_more)[0] == "LimitExceededException"
    else:
        assert api.client.create_resource(**one_more)["path"] == "/one-more"
