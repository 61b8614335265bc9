"""SetUICustomization, GetUICustomization."""

import base64
from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import Pool, refusal

CSS = ".label-customizable { color: #123456; }"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture
def pool_with_domain(pool: Pool) -> Pool:
    pool.client.create_user_pool_domain(Domain=pool.id.split("_")[1].lower(), UserPoolId=pool.id)
    return pool


def customize(pool: Pool, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = pool.client.set_ui_customization(UserPoolId=pool.id, **more)["UICustomization"]
    return answer


def test_nothing_is_customized_at_first(pool: Pool) -> None:
    assert pool.client.get_ui_customization(UserPoolId=pool.id) == {"UICustomization": {}}


def test_what_is_set_for_all_is_every_clients(pool_with_domain: Pool) -> None:
    pool = pool_with_domain
    made = customize(pool, CSS=CSS, ImageFile=PNG)

    client = pool.client.create_user_pool_client(UserPoolId=pool.id, ClientName="web")["UserPoolClient"]["ClientId"]
    seen = pool.client.get_ui_customization(UserPoolId=pool.id, ClientId=client)["UICustomization"]

    assert (made["UserPoolId"], made["ClientId"], made["CSS"]) == (pool.id, "ALL", CSS)
    assert made["ImageUrl"].endswith(".png")
    assert made["CSSVersion"].isdecimal()
    assert seen == made
    assert pool.client.get_ui_customization(UserPoolId=pool.id)["UICustomization"] == made


def test_a_client_has_a_look_of_its_own(pool_with_domain: Pool) -> None:
    pool = pool_with_domain
    client = pool.client.create_user_pool_client(UserPoolId=pool.id, ClientName="web")["UserPoolClient"]["ClientId"]
    customize(pool, CSS=CSS)
    own = customize(pool, ClientId=client, CSS=".background-customizable{background:#fff}")

    assert pool.client.get_ui_customization(UserPoolId=pool.id, ClientId=client)["UICustomization"] == own
    assert pool.client.get_ui_customization(UserPoolId=pool.id)["UICustomization"]["CSS"] == CSS


def test_the_look_outlives_an_update_and_is_not_shown_with_the_pool(pool_with_domain: Pool) -> None:
    made = customize(pool_with_domain, CSS=CSS)

    pool_with_domain.update()

    assert pool_with_domain.client.get_ui_customization(UserPoolId=pool_with_domain.id)["UICustomization"] == made
    assert "UICustomization" not in pool_with_domain.describe()


def test_setting_again_is_the_whole(pool_with_domain: Pool) -> None:
    first = customize(pool_with_domain, CSS=CSS, ImageFile=PNG)
    second = customize(pool_with_domain, CSS=CSS)

    assert "ImageUrl" not in second
    assert second["CreationDate"] == first["CreationDate"]


def test_who_has_nothing_left_looks_like_all(pool_with_domain: Pool) -> None:
    pool = pool_with_domain
    client = pool.client.create_user_pool_client(UserPoolId=pool.id, ClientName="web")["UserPoolClient"]["ClientId"]
    for_all = customize(pool, CSS=CSS)
    customize(pool, ClientId=client, CSS=".background-customizable{background:#fff}")

    assert customize(pool, ClientId=client) == {}
    assert pool.client.get_ui_customization(UserPoolId=pool.id, ClientId=client)["UICustomization"] == for_all
    assert customize(pool) == {}
    assert pool.client.get_ui_customization(UserPoolId=pool.id, ClientId=client) == {"UICustomization": {}}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"CSS": "body{color:red}"}, "Invalid CSS: the selector 'body' is not one of the classes"),
        ({"CSS": ".label-customizable{background:url(x)}"}, "Invalid CSS: the value of background is not a plain one."),
        ({"ImageFile": b"<svg/>"}, "Invalid image file: only PNG and JPEG are supported."),
    ],
)
def test_what_pages_must_not_have_is_refused(pool_with_domain: Pool, more: dict[str, Any], says: str) -> None:
    pool = pool_with_domain

    code, text = refusal(pool.client.set_ui_customization, UserPoolId=pool.id, **more)

    assert code == "InvalidParameterException"
    assert text.startswith(says)
    assert pool.client.get_ui_customization(UserPoolId=pool.id) == {"UICustomization": {}}


def test_a_pool_without_a_domain_has_no_pages_to_customize(pool: Pool) -> None:
    assert refusal(pool.client.set_ui_customization, UserPoolId=pool.id, CSS=CSS) == (
        "InvalidParameterException",
        "There has to be an existing domain associated with this user pool",
    )


def test_a_client_that_is_not_there_is_not_found(pool_with_domain: Pool) -> None:
    pool = pool_with_domain
    code, _ = refusal(pool.client.set_ui_customization, UserPoolId=pool.id, ClientId="absent", CSS=CSS)

    assert code == "ResourceNotFoundException"
    assert refusal(pool.client.get_ui_customization, UserPoolId=pool.id, ClientId="absent")[0] == code
