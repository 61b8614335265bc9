"""Domains of user pools: prefixes and custom domains."""

from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import ACCOUNT, Client, Pool, refusal

CERTIFICATE = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/1b2c"}


def test_a_prefix_domain_is_described_whole(pool: Pool) -> None:
    """Reference, "Domains"; an answer of DescribeUserPoolDomain recorded in July 2025."""
    made = pool.domain("orders")

    answer = pool.client.describe_user_pool_domain(Domain="orders")["DomainDescription"]

    assert made == {"ManagedLoginVersion": 1}
    assert answer.pop("CloudFrontDistribution").endswith(".cloudfront.net")
    assert len(answer.pop("Version")) == len("20250702011951")
    assert answer == {
        "UserPoolId": pool.id,
        "AWSAccountId": ACCOUNT,
        "Domain": "orders",
        "S3Bucket": "aws-cognito-prod-iad-assets",
        "Status": "ACTIVE",
        "ManagedLoginVersion": 1,
    }
    assert pool.describe()["Domain"] == "orders"
    assert pool.client.server.last_changes() == {("user_pool_domain", "orders")}


def test_a_custom_domain_stands_beside_the_prefix(pool: Pool) -> None:
    """Reference, "Hosts, paths, identifiers": a pool may have one of each at once."""
    pool.domain("orders")

    made = pool.domain("auth.example.com", CustomDomainConfig=CERTIFICATE, ManagedLoginVersion=2)

    answer = pool.client.describe_user_pool_domain(Domain="auth.example.com")["DomainDescription"]
    assert answer["CustomDomainConfig"] == CERTIFICATE
    assert made == {"ManagedLoginVersion": 2, "CloudFrontDomain": answer["CloudFrontDistribution"]}
    described = pool.describe()
    assert (described["Domain"], described["CustomDomain"]) == ("orders", "auth.example.com")


def test_an_unknown_domain_has_an_empty_description(client: Client) -> None:
    assert client.describe_user_pool_domain(Domain="nobody") == {"DomainDescription": {}}


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        pytest.param("my-aws-app", "Domain cannot contain reserved word: aws", id="aws"),
        pytest.param("amazon-orders", "Domain cannot contain reserved word: amazon", id="amazon"),
        pytest.param("cognito1", "Domain cannot contain reserved word: cognito", id="cognito"),
    ],
)
def test_reserved_words_are_refused(pool: Pool, domain: str, text: str) -> None:
    refused = refusal(pool.domain, domain=domain)

    assert refused == ("InvalidParameterException", text)


@pytest.mark.parametrize("domain", ["Orders", "-orders", "orders-", "or.ders", "or_ders", "orders\n", "ördérs"])
def test_a_prefix_outside_the_pattern_is_refused(pool: Pool, domain: str) -> None:
    code, text = refusal(pool.domain, domain=domain)

    assert code == "InvalidParameterException"
    assert (text or "").startswith("The domain name contains an invalid character.")


@pytest.mark.parametrize("domain", ["orders", "-.example.com", "auth..example.com", "auth.example.com.", "A.example"])
def test_a_custom_domain_is_a_host_name(pool: Pool, domain: str) -> None:
    code, text = refusal(pool.domain, domain=domain, CustomDomainConfig=CERTIFICATE)

    assert code == "InvalidParameterException"
    assert (text or "").startswith("Custom domain is not a valid subdomain")


def test_a_domain_of_another_pool_is_refused(client: Client) -> None:
    Pool(client).domain("orders")
    other = Pool(client.elsewhere(account="111111111111"))

    refused = refusal(other.domain, domain="orders")

    assert refused == ("InvalidParameterException", "Domain already associated with another user pool.")


def test_a_pool_has_one_prefix_and_one_custom_domain(pool: Pool) -> None:
    pool.domain("orders")
    pool.domain("auth.example.com", CustomDomainConfig=CERTIFICATE)

    for domain, members in (("orders2", {}), ("id.example.com", {"CustomDomainConfig": CERTIFICATE})):
        refused = refusal(pool.domain, domain=domain, **members)
        assert refused == ("InvalidParameterException", "User pool already has a domain configured.")


def test_an_account_has_four_custom_domains(client: Client) -> None:
    for number in range(4):
        Pool(client).domain(f"auth{number}.example.com", CustomDomainConfig=CERTIFICATE)

    code, _ = refusal(Pool(client).domain, domain="auth4.example.com", CustomDomainConfig=CERTIFICATE)

    assert code == "LimitExceededException"


@pytest.mark.parametrize(
    "members",
    [
        {"ManagedLoginVersion": 3},
        {"Routing": {"Failover": {"SecondaryRegion": "eu-west-1", "PrimaryRoute53HealthCheckId": "a"}}},
    ],
)
def test_what_no_prefix_domain_can_have_is_refused(pool: Pool, members: dict[str, Any]) -> None:
    code, _ = refusal(pool.domain, domain="orders", **members)

    assert code == "InvalidParameterException"


def test_an_update_changes_certificate_and_look(pool: Pool) -> None:
    pool.domain("auth.example.com", CustomDomainConfig=CERTIFICATE)
    other = {"CertificateArn": CERTIFICATE["CertificateArn"] + "3", "SecurityPolicy": "TLS_V1_2_2021"}

    answer = pool.client.update_user_pool_domain(
        Domain="auth.example.com", UserPoolId=pool.id, CustomDomainConfig=other, ManagedLoginVersion=2
    )

    described = pool.client.describe_user_pool_domain(Domain="auth.example.com")["DomainDescription"]
    assert (described["CustomDomainConfig"], described["ManagedLoginVersion"]) == (other, 2)
    assert answer["ManagedLoginVersion"] == 2


def test_a_deleted_domain_is_free_again(client: Client) -> None:
    first, second = Pool(client), Pool(client)
    first.domain("orders")

    assert client.delete_user_pool_domain(Domain="orders", UserPoolId=first.id) == {}

    assert "Domain" not in first.describe()
    assert second.domain("orders")


@pytest.mark.parametrize("operation", ["update_user_pool_domain", "delete_user_pool_domain"])
def test_a_domain_is_changed_only_through_its_own_pool(client: Client, operation: str) -> None:
    owner, other = Pool(client), Pool(client)
    owner.domain("orders")

    for domain, pool_id in (("orders", other.id), ("nobody", owner.id)):
        refused = refusal(getattr(client, operation), Domain=domain, UserPoolId=pool_id)
        assert refused == ("InvalidParameterException", "No such domain or user pool exists.")
