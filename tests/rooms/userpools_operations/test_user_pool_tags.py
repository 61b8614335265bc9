"""TagResource, UntagResource, ListTagsForResource."""

import pytest

from tests.rooms.userpools_operations.driver import ACCOUNT, REGION, Client, Pool, refusal


def test_tags_are_added_changed_and_taken_away(client: Client) -> None:
    pool = Pool(client, UserPoolTags={"team": "orders", "stage": "test"})
    arn = pool.created["Arn"]

    client.tag_resource(ResourceArn=arn, Tags={"stage": "prod", "owner": "ada"})
    client.untag_resource(ResourceArn=arn, TagKeys=["team", "nobody"])

    tags = {"stage": "prod", "owner": "ada"}
    assert client.list_tags_for_resource(ResourceArn=arn) == {"Tags": tags}
    assert pool.describe()["UserPoolTags"] == tags


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders",
        f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpools/{REGION}_a",
        f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/",
    ],
)
def test_what_is_no_user_pool_is_refused(client: Client, arn: str) -> None:
    code, _ = refusal(client.list_tags_for_resource, ResourceArn=arn)

    assert code == "InvalidParameterException"


def test_more_than_50_tags_are_refused(pool: Pool) -> None:
    arn = pool.created["Arn"]
    pool.client.tag_resource(ResourceArn=arn, Tags={f"a{number}": "" for number in range(50)})

    code, _ = refusal(pool.client.tag_resource, ResourceArn=arn, Tags={"more": ""})

    assert code == "InvalidParameterException"
    assert len(pool.describe()["UserPoolTags"]) == 50
