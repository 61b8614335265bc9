"""Two live secrets of an app client: added, listed, deleted."""

import pytest

from tests.rooms.userpools_operations.driver import Pool, refusal

OWN = "own_secret+of_24_letters"


@pytest.fixture
def client_id(pool: Pool) -> str:
    return str(pool.app_client(GenerateSecret=True)["ClientId"])


def add(pool: Pool, client_id: str, **members: str) -> dict[str, object]:
    answer = pool.client.add_user_pool_client_secret(UserPoolId=pool.id, ClientId=client_id, **members)
    return dict(answer["ClientSecretDescriptor"])


def listed(pool: Pool, client_id: str) -> list[dict[str, object]]:
    return list(pool.client.list_user_pool_client_secrets(UserPoolId=pool.id, ClientId=client_id)["ClientSecrets"])


def test_a_second_secret_is_generated_and_shown_once(pool: Pool, client_id: str) -> None:
    """Reference, "Client secret rotation"."""
    added = add(pool, client_id)

    assert set(added) == {"ClientSecretId", "ClientSecretValue", "ClientSecretCreateDate"}
    assert str(added["ClientSecretId"]).startswith(f"{client_id}--")
    secrets = listed(pool, client_id)
    assert len({secret["ClientSecretId"] for secret in secrets}) == 2
    assert all(set(secret) == {"ClientSecretId", "ClientSecretCreateDate"} for secret in secrets)
    assert secrets[0]["ClientSecretId"] == added["ClientSecretId"]
    assert pool.client.server.last_changes() == {("user_pool_client", client_id)}


def test_an_own_secret_is_not_shown(pool: Pool, client_id: str) -> None:
    assert "ClientSecretValue" not in add(pool, client_id, ClientSecret=OWN)


def test_of_two_secrets_none_is_described_and_of_one_it_is(pool: Pool, client_id: str) -> None:
    """Reference, "Conflicts and open points" 7."""
    add(pool, client_id, ClientSecret=OWN)
    both = pool.describe_client(client_id)
    oldest = listed(pool, client_id)[-1]["ClientSecretId"]

    pool.client.delete_user_pool_client_secret(UserPoolId=pool.id, ClientId=client_id, ClientSecretId=oldest)

    assert "ClientSecret" not in both
    assert pool.describe_client(client_id)["ClientSecret"] == OWN


def test_a_third_secret_is_refused(pool: Pool, client_id: str) -> None:
    add(pool, client_id)

    code, _ = refusal(pool.client.add_user_pool_client_secret, UserPoolId=pool.id, ClientId=client_id)

    assert code == "LimitExceededException"
    assert len(listed(pool, client_id)) == 2


def test_the_last_secret_is_not_deleted(pool: Pool, client_id: str) -> None:
    (only,) = listed(pool, client_id)

    code, _ = refusal(
        pool.client.delete_user_pool_client_secret,
        UserPoolId=pool.id,
        ClientId=client_id,
        ClientSecretId=only["ClientSecretId"],
    )

    assert code == "InvalidParameterException"
    assert listed(pool, client_id) == [only]


def test_an_unknown_secret_is_refused(pool: Pool, client_id: str) -> None:
    code, _ = refusal(
        pool.client.delete_user_pool_client_secret, UserPoolId=pool.id, ClientId=client_id, ClientSecretId="x--1"
    )

    assert code == "ResourceNotFoundException"


def test_a_public_client_gets_no_secret(pool: Pool) -> None:
    client_id = pool.app_client()["ClientId"]

    code, _ = refusal(pool.client.add_user_pool_client_secret, UserPoolId=pool.id, ClientId=client_id)

    assert code == "InvalidParameterException"
    assert listed(pool, client_id) == []


def test_a_short_own_secret_is_refused_without_repeating_it(pool: Pool, client_id: str) -> None:
    code, text = refusal(
        pool.client.add_user_pool_client_secret, UserPoolId=pool.id, ClientId=client_id, ClientSecret="short_secret"
    )

    assert code == "InvalidParameterException"
    assert "short_secret" not in (text or "")


def test_updating_a_client_with_two_secrets_keeps_both(pool: Pool, client_id: str) -> None:
    add(pool, client_id)

    answer = pool.client.update_user_pool_client(UserPoolId=pool.id, ClientId=client_id)["UserPoolClient"]

    assert "ClientSecret" not in answer
    assert len(listed(pool, client_id)) == 2
