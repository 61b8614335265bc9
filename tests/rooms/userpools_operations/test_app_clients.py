"""CreateUserPoolClient, DescribeUserPoolClient, UpdateUserPoolClient, DeleteUserPoolClient, ListUserPoolClients."""

import re
from typing import Any

import pytest

from scopegate.userpools import queries
from tests.rooms.userpools_operations.driver import Pool, Server, refusal

OAUTH = {
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthScopes": ["openid"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "CallbackURLs": ["https://example.com/back"],
}
MACHINE = {
    "GenerateSecret": True,
    "AllowedOAuthFlows": ["client_credentials"],
    "AllowedOAuthScopes": ["orders/read"],
    "AllowedOAuthFlowsUserPoolClient": True,
}
ROLE = "arn:aws:iam::000000000000:role/analytics"
APPLICATION = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/d70b2ba36a8c4dc5a04a0451a31a1e12"


@pytest.fixture(autouse=True)
def _scopes(pool: Pool) -> None:
    pool.resource_server("orders", "read", "write")


def test_a_minimal_client_has_every_member_that_aws_fills_in_and_no_other(pool: Pool) -> None:
    """Reference, "Members of Create/UpdateUserPoolClient": typical minimal answer."""
    answer = pool.app_client()

    assert re.fullmatch(r"[0-9a-z]{26}", answer.pop("ClientId"))
    assert answer.pop("CreationDate") == answer.pop("LastModifiedDate")
    assert answer == {
        "UserPoolId": pool.id,
        "ClientName": "job",
        "RefreshTokenValidity": 30,
        "TokenValidityUnits": {},
        "AllowedOAuthFlowsUserPoolClient": False,
        "EnableTokenRevocation": True,
        "EnablePropagateAdditionalUserContextData": False,
        "AuthSessionValidity": 3,
    }


def test_members_stand_in_the_order_in_which_aws_writes_them(pool: Pool) -> None:
    assert list(pool.machine()) == [
        "UserPoolId",
        "ClientName",
        "ClientId",
        "ClientSecret",
        "LastModifiedDate",
        "CreationDate",
        "RefreshTokenValidity",
        "TokenValidityUnits",
        "AllowedOAuthFlows",
        "AllowedOAuthScopes",
        "AllowedOAuthFlowsUserPoolClient",
        "EnableTokenRevocation",
        "EnablePropagateAdditionalUserContextData",
        "AuthSessionValidity",
    ]


def test_describing_a_client_answers_what_creating_it_answered(pool: Pool) -> None:
    made = pool.machine()

    assert pool.describe_client(made["ClientId"]) == made


def test_a_generated_secret_has_at_least_250_bits_and_is_sealed_at_rest(pool: Pool, server: Server) -> None:
    """Design, "Tokens"; reference, "Hosts, paths, identifiers": 51 or 52 characters of [0-9a-z]."""
    made = pool.machine()
    client_id, secret = made["ClientId"], made["ClientSecret"]

    (row,) = server.read(lambda tx: queries.list_secrets(tx, client_id))

    assert re.fullmatch(r"[0-9a-z]{51,52}", secret)
    assert secret.encode() not in row.secret
    assert server.seal.open(row.secret, f"user_pool_client/{client_id}/{row.secret_id}") == secret.encode()
    assert secret not in str(server.read(lambda tx: queries.find_client(tx, pool.id, client_id)))
    assert server.last_changes() == {("user_pool_client", client_id)}
    assert pool.machine()["ClientSecret"] != secret


def test_a_client_may_bring_its_own_secret(pool: Pool) -> None:
    secret = "own_secret+of_24_letters"

    made = pool.app_client(**{**MACHINE, "GenerateSecret": False}, ClientSecret=secret)

    assert made["ClientSecret"] == secret
    assert pool.describe_client(made["ClientId"])["ClientSecret"] == secret


def test_a_client_without_a_secret_shows_none(pool: Pool) -> None:
    assert "ClientSecret" not in pool.describe_client(pool.app_client()["ClientId"])


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        pytest.param(
            {**MACHINE, "AllowedOAuthFlows": ["client_credentials", "code"]},
            "InvalidOAuthFlowException",
            "client_credentials flow can not be selected along with code flow or implicit flow.",
            id="client_credentials_and_code",
        ),
        pytest.param(
            {**MACHINE, "GenerateSecret": False},
            "InvalidOAuthFlowException",
            "client_credentials flow can not be selected if client does not have a client secret.",
            id="client_credentials_without_secret",
        ),
        pytest.param(
            {**MACHINE, "AllowedOAuthScopes": ["orders/read", "openid"]},
            "InvalidOAuthFlowException",
            "openid is not supported with client_credentials flow",
            id="client_credentials_and_openid",
        ),
        pytest.param(
            {"AllowedOAuthFlowsUserPoolClient": True},
            "InvalidParameterException",
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
            id="oauth_without_flows",
        ),
        pytest.param(
            {**MACHINE, "AllowedOAuthScopes": []},
            "InvalidParameterException",
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows.",
            id="oauth_without_scopes",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": []},
            "InvalidOAuthFlowException",
            "CallbackUrls can not be empty when code flow or implicit flow is selected",
            id="code_without_callback",
        ),
        pytest.param(
            {**MACHINE, "AllowedOAuthScopes": ["orders/read", "orders/delete"]},
            "ScopeDoesNotExistException",
            "Invalid scope requested: orders/delete",
            id="unknown_scope",
        ),
        pytest.param(
            {**MACHINE, "AllowedOAuthScopes": ["Orders/read"]},
            "ScopeDoesNotExistException",
            "Invalid scope requested: Orders/read",
            id="scope_in_another_case",
        ),
        pytest.param(
            {"GenerateSecret": True, "ClientSecret": "own_secret+of_24_letters"},
            "InvalidParameterException",
            "GenerateSecret can not be true when a ClientSecret is specified.",
            id="two_secrets",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": ["http://example.com/back"]},
            "InvalidParameterException",
            "http://example.com/back cannot use the HTTP protocol.",
            id="plain_http",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": ["http://localhost.example.com"]},
            "InvalidParameterException",
            "http://localhost.example.com cannot use the HTTP protocol.",
            id="plain_http_to_a_look_alike",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": ["http://localhost@example.com"]},
            "InvalidParameterException",
            "http://localhost@example.com cannot use the HTTP protocol.",
            id="plain_http_with_a_user",
        ),
        pytest.param(
            {**OAUTH, "LogoutURLs": ["https://example.com/#bye"]},
            "InvalidParameterException",
            "https://example.com/#bye cannot contain a fragment.",
            id="fragment",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": ["/back"]},
            "InvalidParameterException",
            "/back is not an absolute URL.",
            id="relative",
        ),
        pytest.param(
            {**OAUTH, "CallbackURLs": ["javascript:alert(1)"]},
            "InvalidParameterException",
            "javascript:alert(1) is not a valid URL.",
            id="script",
        ),
        pytest.param(
            {**OAUTH, "DefaultRedirectURI": "https://example.com/other"},
            "InvalidParameterException",
            "DefaultRedirectURI must be one of the CallbackURLs.",
            id="default_redirect",
        ),
        pytest.param(
            {"ReadAttributes": ["email", "shoe_size"]},
            "InvalidParameterException",
            "Invalid read attributes specified while creating a client",
            id="read_attribute",
        ),
        pytest.param(
            {"WriteAttributes": ["email_verified"]},
            "InvalidParameterException",
            "Invalid write attributes specified while creating a client",
            id="write_attribute",
        ),
        pytest.param(
            {"ExplicitAuthFlows": ["USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]},
            "InvalidParameterException",
            "ExplicitAuthFlows cannot have values with the prefix ALLOW_ together with values without it.",
            id="old_and_new_flows",
        ),
        pytest.param(
            {"GenerateSecret": True, "ExplicitAuthFlows": ["ALLOW_CLIENT_TOKEN_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]},
            "InvalidParameterException",
            "ALLOW_CLIENT_TOKEN_AUTH can not be combined with other ExplicitAuthFlows.",
            id="client_token_and_more",
        ),
        pytest.param(
            {"ExplicitAuthFlows": ["ALLOW_CLIENT_TOKEN_AUTH"]},
            "InvalidParameterException",
            "ALLOW_CLIENT_TOKEN_AUTH can not be selected if client does not have a client secret.",
            id="client_token_without_secret",
        ),
        pytest.param(
            {"ExplicitAuthFlows": ["ALLOW_REFRESH_TOKEN_AUTH"], "RefreshTokenRotation": {"Feature": "ENABLED"}},
            "InvalidParameterException",
            "ALLOW_REFRESH_TOKEN_AUTH can not be enabled when refresh token rotation is enabled.",
            id="rotation_and_refresh",
        ),
        pytest.param(
            {"EnablePropagateAdditionalUserContextData": True},
            "InvalidParameterException",
            "EnablePropagateAdditionalUserContextData can only be activated for a client that has a client secret.",
            id="context_without_secret",
        ),
        pytest.param(
            {"AnalyticsConfiguration": {"ApplicationArn": APPLICATION, "RoleArn": ROLE}},
            "InvalidParameterException",
            "Invalid analytics configuration given, either <application arn> or "
            "<application id, role arn, external id> are valid",
            id="analytics",
        ),
        pytest.param(
            {"ExplicitAuthFlows": ["ALLOW_EVERYTHING"]},
            "InvalidParameterException",
            None,
            id="unknown_flow",
        ),
    ],
)
def test_what_no_client_can_have_is_refused(pool: Pool, members: dict[str, Any], code: str, text: str | None) -> None:
    """Reference, "Validation" of app clients."""
    refused = refusal(pool.app_client, **members)

    assert refused[0] == code
    assert text is None or refused[1] == text
    assert pool.client.list_user_pool_clients(UserPoolId=pool.id) == {"UserPoolClients": []}


def test_an_analytics_application_gets_the_service_s_own_role_and_may_be_sent_back_with_it(pool: Pool) -> None:
    """As AWS was recorded: with `ApplicationArn` alone it fills in its service-linked role, of the pool's account."""
    made = pool.app_client(AnalyticsConfiguration={"ApplicationArn": APPLICATION})

    linked = (
        "arn:aws:iam::000000000000:role/aws-service-role/cognito-idp.amazonaws.com/AWSServiceRoleForAmazonCognitoIdp"
    )
    assert made["AnalyticsConfiguration"] == {"ApplicationArn": APPLICATION, "RoleArn": linked}
    updated = pool.client.update_user_pool_client(
        UserPoolId=pool.id, ClientId=made["ClientId"], AnalyticsConfiguration=made["AnalyticsConfiguration"]
    )
    assert updated["UserPoolClient"]["AnalyticsConfiguration"] == made["AnalyticsConfiguration"]


def test_an_unknown_provider_is_refused(pool: Pool) -> None:
    refused = refusal(pool.app_client, SupportedIdentityProviders=["COGNITO", "Google"])

    assert refused == ("InvalidParameterException", f"The provider Google does not exist for User Pool {pool.id}.")
    assert pool.app_client(SupportedIdentityProviders=["COGNITO"])["SupportedIdentityProviders"] == ["COGNITO"]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://localhost",
        "http://localhost:3000/x",
        "http://127.0.0.1",
        "http://[::1]:8080/",
        "app://x",
    ],
)
def test_redirects_to_https_to_this_machine_and_to_apps_are_taken(pool: Pool, url: str) -> None:
    made = pool.app_client(**{**OAUTH, "CallbackURLs": [url], "LogoutURLs": [url], "DefaultRedirectURI": url})

    assert (made["CallbackURLs"], made["LogoutURLs"], made["DefaultRedirectURI"]) == ([url], [url], url)


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        pytest.param({"AccessTokenValidity": 24}, {"AccessTokenValidity": 24, "TokenValidityUnits": {}}, id="hours"),
        pytest.param(
            {"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}},
            {"AccessTokenValidity": 5, "TokenValidityUnits": {"AccessToken": "minutes"}},
            id="least_access",
        ),
        pytest.param(
            {"IdTokenValidity": 1, "TokenValidityUnits": {"IdToken": "days"}},
            {"IdTokenValidity": 1, "TokenValidityUnits": {"IdToken": "days"}},
            id="most_id",
        ),
        pytest.param({"RefreshTokenValidity": 0}, {"RefreshTokenValidity": 30}, id="refresh_of_0_is_30_days"),
        pytest.param({"RefreshTokenValidity": 3650}, {"RefreshTokenValidity": 3650}, id="most_refresh"),
        pytest.param(
            {"RefreshTokenValidity": 60, "TokenValidityUnits": {"RefreshToken": "minutes"}},
            {"RefreshTokenValidity": 60},
            id="least_refresh",
        ),
        pytest.param(
            {"TokenValidityUnits": {"RefreshToken": "hours"}}, {"RefreshTokenValidity": 720}, id="30_days_in_hours"
        ),
    ],
)
def test_lifetimes_in_range_are_kept(pool: Pool, members: dict[str, Any], shown: dict[str, Any]) -> None:
    """Reference, "Lifetimes"."""
    made = pool.app_client(**members)

    assert {member: made[member] for member in shown} == shown
    assert {"AccessTokenValidity", "IdTokenValidity"} & made.keys() == {
        "AccessTokenValidity",
        "IdTokenValidity",
    } & members.keys()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"AccessTokenValidity": 25}, id="access_of_25_hours"),
        pytest.param({"AccessTokenValidity": 299, "TokenValidityUnits": {"AccessToken": "seconds"}}, id="access_short"),
        pytest.param({"IdTokenValidity": 2, "TokenValidityUnits": {"IdToken": "days"}}, id="id_of_2_days"),
        pytest.param({"RefreshTokenValidity": 59, "TokenValidityUnits": {"RefreshToken": "minutes"}}, id="refresh"),
        pytest.param({"RefreshTokenValidity": 3651}, id="refresh_of_more_than_10_years"),
        pytest.param(
            {
                "AccessTokenValidity": 2,
                "RefreshTokenValidity": 1,
                "TokenValidityUnits": {"RefreshToken": "hours"},
            },
            id="access_longer_than_refresh",
        ),
    ],
)
def test_lifetimes_out_of_range_are_refused(pool: Pool, members: dict[str, Any]) -> None:
    """Reference, "Lifetimes"."""
    refused = refusal(pool.app_client, **members)

    assert refused == ("InvalidParameterException", "Invalid range for token validity.")


def test_a_client_has_at_most_50_scopes(pool: Pool) -> None:
    pool.resource_server("many", *(f"s{number}" for number in range(51)))
    scopes = [f"many/s{number}" for number in range(51)]

    code, _ = refusal(pool.machine, AllowedOAuthScopes=scopes)

    assert code == "InvalidParameterException"
    assert pool.machine(AllowedOAuthScopes=scopes[:50])["AllowedOAuthScopes"] == scopes[:50]


def test_a_scope_is_found_by_the_last_slash_of_its_name(pool: Pool) -> None:
    """Reference, "Resource servers and scopes": identifiers may hold slashes."""
    pool.resource_server("https://api.example.com/v1", "read")

    made = pool.machine(AllowedOAuthScopes=["https://api.example.com/v1/read"])

    assert made["AllowedOAuthScopes"] == ["https://api.example.com/v1/read"]


def test_oauth_members_without_the_switch_are_kept(pool: Pool) -> None:
    """Reference, "Members of Create/UpdateUserPoolClient": without it all OAuth members are inert."""
    made = pool.machine(AllowedOAuthFlowsUserPoolClient=False)

    assert made["AllowedOAuthFlows"] == ["client_credentials"]
    assert made["AllowedOAuthFlowsUserPoolClient"] is False


def test_custom_attributes_of_the_pool_may_be_listed(pool: Pool) -> None:
    pool.client.add_custom_attributes(
        UserPoolId=pool.id, CustomAttributes=[{"Name": "team", "AttributeDataType": "String"}]
    )

    made = pool.app_client(ReadAttributes=["email", "email_verified", "custom:team"], WriteAttributes=["custom:team"])

    assert made["ReadAttributes"] == ["email", "email_verified", "custom:team"]
    assert made["WriteAttributes"] == ["custom:team"]


def test_an_update_resets_what_it_leaves_out_but_not_name_and_secret(pool: Pool) -> None:
    """Reference, "Members of Create/UpdateUserPoolClient"."""
    made = pool.machine(
        AccessTokenValidity=2,
        ReadAttributes=["email"],
        PreventUserExistenceErrors="ENABLED",
        EnableTokenRevocation=False,
    )

    answer = pool.client.update_user_pool_client(UserPoolId=pool.id, ClientId=made["ClientId"])["UserPoolClient"]

    assert answer.pop("LastModifiedDate") > made["LastModifiedDate"]
    plain = pool.app_client()
    own = ("ClientId", "ClientSecret", "CreationDate")
    assert answer == {
        **{member: value for member, value in plain.items() if member != "LastModifiedDate"},
        **{member: made[member] for member in own},
    }
    described = pool.describe_client(made["ClientId"])
    described.pop("LastModifiedDate")
    assert described == answer


def test_an_update_is_validated_with_the_secret_that_the_client_has(pool: Pool) -> None:
    machine, public = pool.machine(), pool.app_client()
    members = {member: value for member, value in MACHINE.items() if member != "GenerateSecret"}

    def update(client: dict[str, Any]) -> Any:
        return pool.client.update_user_pool_client(UserPoolId=pool.id, ClientId=client["ClientId"], **members)

    assert update(machine)["UserPoolClient"]["AllowedOAuthScopes"] == ["orders/read"]
    assert refusal(update, client=public)[0] == "InvalidOAuthFlowException"
    assert "AllowedOAuthFlows" not in pool.describe_client(public["ClientId"])


@pytest.mark.parametrize("operation", ["describe", "update", "delete"])
def test_an_unknown_client_is_refused(pool: Pool, operation: str) -> None:
    call = getattr(pool.client, f"{operation}_user_pool_client")

    refused = refusal(call, UserPoolId=pool.id, ClientId="nobody")

    assert refused == ("ResourceNotFoundException", "User pool client nobody does not exist.")


def test_a_deleted_client_is_gone(pool: Pool) -> None:
    client_id = pool.machine()["ClientId"]

    assert pool.client.delete_user_pool_client(UserPoolId=pool.id, ClientId=client_id) == {}

    unknown = ("ResourceNotFoundException", f"User pool client {client_id} does not exist.")
    assert refusal(pool.describe_client, client_id=client_id) == unknown
    assert pool.client.server.last_changes() == {("user_pool_client", client_id)}


def test_clients_are_listed_page_by_page_with_three_members(pool: Pool) -> None:
    made = {pool.app_client(ClientName=f"c{number}")["ClientId"] for number in range(3)}

    first = pool.client.list_user_pool_clients(UserPoolId=pool.id, MaxResults=2)
    second = pool.client.list_user_pool_clients(UserPoolId=pool.id, MaxResults=2, NextToken=first["NextToken"])

    listed = first["UserPoolClients"] + second["UserPoolClients"]
    assert {client["ClientId"] for client in listed} == made
    assert len(listed) == 3
    assert all(set(client) == {"ClientId", "UserPoolId", "ClientName"} for client in listed)
    assert "NextToken" not in second
    assert pool.client.list_user_pool_clients(UserPoolId=pool.id, ClientType="DCR") == {"UserPoolClients": []}


def test_clients_per_pool_are_a_quota(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scopegate.userpools.operations.cognito_idp.app_clients.limit", lambda name: 1)
    strict = pool.client.with_settings(aws_quotas=True)
    pool.app_client()

    code, _ = refusal(strict.create_user_pool_client, UserPoolId=pool.id, ClientName="one too many")

    assert code == "LimitExceededException"
    assert pool.app_client()
