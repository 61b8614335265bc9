"""CreateUserPool, DescribeUserPool, UpdateUserPool, DeleteUserPool, ListUserPools."""

from typing import Any

import pytest

from scopegate.jose.keys import load_private_key
from scopegate.userpools import queries
from tests.rooms.userpools_operations.driver import ACCOUNT, REGION, Client, Pool, Server, refusal

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:claims"
KEY = "arn:aws:kms:us-east-1:000000000000:key/4d43904c-8edf-4bb4-9fca-fb1a80e41cbe"
SMS = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "sms", "SnsRegion": "us-east-1"}


def test_a_new_pool_has_every_member_that_aws_fills_in(pool: Pool) -> None:
    """Reference, "Members of CreateUserPool"; answers recorded in September and December 2024 and July 2025."""
    answer = pool.created

    attributes = answer.pop("SchemaAttributes")
    dates = answer.pop("CreationDate"), answer.pop("LastModifiedDate")
    pool_id = answer.pop("Id")
    assert answer == {
        "Name": "people",
        "Policies": {
            "PasswordPolicy": {
                "MinimumLength": 8,
                "RequireUppercase": True,
                "RequireLowercase": True,
                "RequireNumbers": True,
                "RequireSymbols": True,
                "TemporaryPasswordValidityDays": 7,
            },
            "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]},
        },
        "DeletionProtection": "INACTIVE",
        "LambdaConfig": {},
        "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
        "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": []},
        "MfaConfiguration": "OFF",
        "EstimatedNumberOfUsers": 0,
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT"},
        "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False, "UnusedAccountValidityDays": 7},
        "Arn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}",
        "AccountRecoverySetting": {
            "RecoveryMechanisms": [
                {"Priority": 1, "Name": "verified_email"},
                {"Priority": 2, "Name": "verified_phone_number"},
            ]
        },
        "UserPoolTier": "ESSENTIALS",
    }
    assert len(attributes) == 20
    assert dates[0] == dates[1]
    assert pool_id.startswith(f"{REGION}_")
    assert len(pool_id) == len(REGION) + 10


def test_describing_a_pool_answers_what_creating_it_answered_and_its_tags(client: Client) -> None:
    """Recorded: CreateUserPool shows tags only when there are some, DescribeUserPool always."""
    plain, tagged = Pool(client), Pool(client, UserPoolTags={"team": "orders"})

    assert plain.describe() == plain.created | {"UserPoolTags": {}}
    assert tagged.describe() == tagged.created
    assert tagged.created["UserPoolTags"] == {"team": "orders"}


def test_a_pool_gets_two_signing_keys_sealed_in_the_same_write(pool: Pool, server: Server) -> None:
    """Reference, "JOSE header and signature": one key for access tokens, another for ID tokens."""
    keys = server.read(lambda tx: queries.list_keys(tx, pool.id))

    assert [key.use for key in keys] == ["access", "id"]
    assert keys[0].kid != keys[1].kid
    for key in keys:
        opened = server.seal.open(key.private_key, f"user_pool_key/{pool.id}/{key.kid}")
        assert load_private_key(opened).key_size == 2048
        assert opened not in key.private_key
    assert server.last_changes() == {("user_pool", pool.id)}


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        pytest.param({"AutoVerifiedAttributes": ["email"]}, {"AutoVerifiedAttributes": ["email"]}, id="auto_verified"),
        pytest.param({"AliasAttributes": ["email"]}, {"AliasAttributes": ["email"]}, id="alias"),
        pytest.param({"UsernameAttributes": ["email"]}, {"UsernameAttributes": ["email"]}, id="username"),
        pytest.param(
            {"UsernameConfiguration": {"CaseSensitive": False}},
            {"UsernameConfiguration": {"CaseSensitive": False}},
            id="case",
        ),
        pytest.param({"UserPoolTier": "PLUS"}, {"UserPoolTier": "PLUS"}, id="tier"),
        pytest.param({"DeletionProtection": "ACTIVE"}, {"DeletionProtection": "ACTIVE"}, id="protection"),
        pytest.param({"SmsConfiguration": SMS}, {"SmsConfiguration": SMS}, id="sms"),
        pytest.param(
            {"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}},
            {"UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"}},
            id="add_ons",
        ),
        pytest.param(
            {"IssuerConfiguration": {"Type": "UPDATED"}}, {"IssuerConfiguration": {"Type": "UPDATED"}}, id="issuer"
        ),
        pytest.param(
            {"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True}},
            {"DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True}},
            id="devices",
        ),
        pytest.param(
            {"EmailConfiguration": {"ReplyToEmailAddress": "help@example.com"}},
            {
                "EmailConfiguration": {
                    "EmailSendingAccount": "COGNITO_DEFAULT",
                    "ReplyToEmailAddress": "help@example.com",
                }
            },
            id="email",
        ),
        pytest.param(
            {"AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]}},
            {"AccountRecoverySetting": {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]}},
            id="recovery",
        ),
        pytest.param({"AccountRecoverySetting": {}}, {"AccountRecoverySetting": {}}, id="recovery_of_old"),
        pytest.param(
            {"Policies": {"PasswordPolicy": {"MinimumLength": 12, "RequireNumbers": True}}},
            {
                "Policies": {
                    "PasswordPolicy": {
                        "MinimumLength": 12,
                        "RequireUppercase": False,
                        "RequireLowercase": False,
                        "RequireNumbers": True,
                        "RequireSymbols": False,
                        "TemporaryPasswordValidityDays": 7,
                    },
                    "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]},
                }
            },
            id="password",
        ),
        pytest.param(
            {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 3}},
            {"AdminCreateUserConfig": {"AllowAdminCreateUserOnly": True, "UnusedAccountValidityDays": 3}},
            id="admin_creation",
        ),
        pytest.param(
            {"EmailVerificationMessage": "Code {####}", "EmailVerificationSubject": "Code"},
            {
                "EmailVerificationMessage": "Code {####}",
                "EmailVerificationSubject": "Code",
                "VerificationMessageTemplate": {
                    "EmailMessage": "Code {####}",
                    "EmailSubject": "Code",
                    "DefaultEmailOption": "CONFIRM_WITH_CODE",
                },
            },
            id="messages",
        ),
    ],
)
def test_what_is_set_is_shown(client: Client, members: dict[str, Any], shown: dict[str, Any]) -> None:
    pool = Pool(client, **members)

    answer = pool.describe()

    assert {member: answer[member] for member in shown} == shown


def test_the_pre_token_function_stands_under_both_its_names(client: Client) -> None:
    by_arn = Pool(client, LambdaConfig={"PreTokenGeneration": FUNCTION})
    versioned = {"LambdaVersion": "V3_0", "LambdaArn": FUNCTION}
    by_version = Pool(client, LambdaConfig={"PreTokenGenerationConfig": versioned})

    assert by_arn.describe()["LambdaConfig"] == {
        "PreTokenGeneration": FUNCTION,
        "PreTokenGenerationConfig": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION},
    }
    assert by_version.describe()["LambdaConfig"] == {
        "PreTokenGeneration": FUNCTION,
        "PreTokenGenerationConfig": versioned,
    }


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        pytest.param(
            {"AliasAttributes": ["email"], "UsernameAttributes": ["email"]},
            "InvalidParameterException",
            "Only one of the aliasAttributes or usernameAttributes can be set in a user pool.",
            id="alias_and_username",
        ),
        pytest.param(
            {"AutoVerifiedAttributes": ["phone_number"]},
            "InvalidParameterException",
            "SMS configuration is required when phone_number is selected for auto verification",
            id="phone_without_sms",
        ),
        pytest.param(
            {"MfaConfiguration": "ON"},
            "InvalidParameterException",
            "SMS configuration and Auto verification for phone_number are required when MFA is required/optional",
            id="mfa_without_sms",
        ),
        pytest.param(
            {
                "LambdaConfig": {
                    "PreTokenGeneration": FUNCTION,
                    "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": FUNCTION + "2"},
                }
            },
            "InvalidParameterException",
            "PreTokenGeneration and PreTokenGenerationConfig must have the same Lambda function ARN.",
            id="two_pre_token_functions",
        ),
        pytest.param(
            {"LambdaConfig": {"CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION}}},
            "InvalidParameterException",
            "KMSKeyID is required when CustomSMSSender or CustomEmailSender is configured.",
            id="sender_without_key",
        ),
        pytest.param(
            {
                "AccountRecoverySetting": {
                    "RecoveryMechanisms": [
                        {"Priority": 1, "Name": "admin_only"},
                        {"Priority": 2, "Name": "verified_email"},
                    ]
                }
            },
            "InvalidParameterException",
            "Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms.",
            id="admin_only_and_more",
        ),
        pytest.param(
            {
                "Policies": {"PasswordPolicy": {"MinimumLength": 8, "TemporaryPasswordValidityDays": 3}},
                "AdminCreateUserConfig": {"UnusedAccountValidityDays": 5},
            },
            "InvalidParameterException",
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays",
            id="two_lifetimes",
        ),
        pytest.param(
            {"KeyConfiguration": {"KeyType": "CUSTOMER_MANAGED_KEY"}},
            "InvalidParameterException",
            "KmsKeyArn is required when KeyType is CUSTOMER_MANAGED_KEY.",
            id="no_key",
        ),
        pytest.param(
            {"UserPoolTags": {"aws:owner": "me"}},
            "UserPoolTaggingException",
            "aws: prefixed tag key names are not allowed for external use.",
            id="reserved_tag",
        ),
        pytest.param(
            {"PoolName": "a/b"},
            "InvalidParameterException",
            "1 validation error detected: Value 'a/b' at 'poolName' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w\s+=,.@-]+",
            id="name",
        ),
        pytest.param(
            {"Policies": {"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "SMS_OTP"]}}},
            "InvalidParameterException",
            "SMS_OTP can not be configured as AuthFactor as user pool is missing valid SMS configuration",
            id="sms_code_without_sms",
        ),
    ],
)
def test_what_no_pool_can_have_is_refused(client: Client, members: dict[str, Any], code: str, text: str) -> None:
    refused = refusal(client.create_user_pool, **{"PoolName": "people", **members})

    assert refused == (code, text)
    assert client.list_user_pools(MaxResults=60) == {"UserPools": []}


def test_senders_with_a_key_are_kept(client: Client) -> None:
    triggers = {"CustomEmailSender": {"LambdaVersion": "V1_0", "LambdaArn": FUNCTION}, "KMSKeyID": KEY}

    assert Pool(client, LambdaConfig=triggers).describe()["LambdaConfig"] == triggers


def test_more_than_50_tags_are_refused(client: Client) -> None:
    tags = {f"tag{number}": "" for number in range(51)}

    code, _ = refusal(client.create_user_pool, PoolName="people", UserPoolTags=tags)

    assert code == "UserPoolTaggingException"


def test_the_tag_custom_id_pins_the_id_of_a_new_pool(client: Client) -> None:
    """LocalStack's convention (reference, "What other emulators do")."""
    pool = Pool(client, UserPoolTags={"_custom_id_": f"{REGION}_orders1"})

    assert pool.id == f"{REGION}_orders1"
    assert pool.describe()["UserPoolTags"] == {"_custom_id_": f"{REGION}_orders1"}


@pytest.mark.parametrize("tag", ["orders1", "eu-west-1_orders1", f"{REGION}_orders-1", f"{REGION}_", f"{REGION}_a\n"])
def test_a_custom_id_that_is_no_pool_id_of_the_region_is_refused(client: Client, tag: str) -> None:
    code, _ = refusal(client.create_user_pool, PoolName="people", UserPoolTags={"_custom_id_": tag})

    assert code == "InvalidParameterException"


def test_a_custom_id_that_another_account_has_is_refused(client: Client) -> None:
    tags = {"_custom_id_": f"{REGION}_orders1"}
    Pool(client, UserPoolTags=tags)

    code, _ = refusal(client.elsewhere(account="111111111111").create_user_pool, PoolName="x", UserPoolTags=tags)

    assert code == "InvalidParameterException"


def test_an_update_resets_what_it_leaves_out(client: Client) -> None:
    """Reference, "Members of Create/UpdateUserPoolClient", last paragraph."""
    pool = Pool(
        client,
        AutoVerifiedAttributes=["email"],
        LambdaConfig={"PreSignUp": FUNCTION},
        SmsConfiguration=SMS,
        DeletionProtection="ACTIVE",
        AccountRecoverySetting={"RecoveryMechanisms": [{"Priority": 1, "Name": "admin_only"}]},
        UserPoolAddOns={"AdvancedSecurityMode": "AUDIT"},
        UsernameConfiguration={"CaseSensitive": False},
        Schema=[{"Name": "department", "AttributeDataType": "String"}],
    )
    before = pool.created

    after = pool.update(UserPoolTier="LITE")

    plain = Pool(client).describe()
    kept = ("Id", "Arn", "CreationDate", "LastModifiedDate", "SchemaAttributes", "UsernameConfiguration")
    assert {member: value for member, value in after.items() if member not in kept} == {
        member: value for member, value in plain.items() if member not in kept
    } | {"UserPoolTier": "LITE"}
    assert after["SchemaAttributes"] == before["SchemaAttributes"]
    assert after["UsernameConfiguration"] == {"CaseSensitive": False}
    assert after["LastModifiedDate"] > before["LastModifiedDate"]


KEPT_BY_UPDATES = {
    "MfaConfiguration": "OPTIONAL",
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "UserPoolTags": {"team": "orders"},
    "UserPoolTier": "PLUS",
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 12,
            "RequireUppercase": False,
            "RequireLowercase": True,
            "RequireNumbers": False,
            "RequireSymbols": False,
            "PasswordHistorySize": 3,
            "TemporaryPasswordValidityDays": 2,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
    },
}
"""What UpdateUserPool leaves alone when it does not name it."""


def test_an_update_leaves_alone_what_cognito_leaves_alone(client: Client) -> None:
    """Measured on AWS, field by field, published in August 2026; AutoVerifiedAttributes of the same call was reset."""
    pool = Pool(client, AutoVerifiedAttributes=["email"], SmsConfiguration=SMS, **KEPT_BY_UPDATES)

    after = pool.update(PoolName="staff")

    assert {member: after[member] for member in KEPT_BY_UPDATES} == KEPT_BY_UPDATES
    assert after["AdminCreateUserConfig"]["UnusedAccountValidityDays"] == 2
    assert "AutoVerifiedAttributes" not in after


def test_an_update_of_one_policy_leaves_the_other_alone(client: Client) -> None:
    """Measured on AWS in both directions, published in August 2026."""
    pool = Pool(client, Policies=KEPT_BY_UPDATES["Policies"])

    by_password = pool.update(Policies={"PasswordPolicy": {"MinimumLength": 9}})["Policies"]
    by_sign_in = pool.update(Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD"]}})["Policies"]

    assert by_password["SignInPolicy"] == {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]}
    assert by_password["PasswordPolicy"] == {
        "MinimumLength": 9,
        "RequireUppercase": False,
        "RequireLowercase": False,
        "RequireNumbers": False,
        "RequireSymbols": False,
        "TemporaryPasswordValidityDays": 7,
    }
    assert by_sign_in["PasswordPolicy"] == by_password["PasswordPolicy"]
    assert by_sign_in["SignInPolicy"] == {"AllowedFirstAuthFactors": ["PASSWORD"]}


def test_an_update_may_still_turn_off_what_it_would_leave_alone(client: Client) -> None:
    pool = Pool(client, SmsConfiguration=SMS, **KEPT_BY_UPDATES)

    after = pool.update(
        MfaConfiguration="OFF",
        UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": []},
        UserPoolTags={},
        UserPoolTier="LITE",
    )

    assert after["MfaConfiguration"] == "OFF"
    assert after["UserPoolTags"] == {}
    assert after["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": []}
    assert after["UserPoolTier"] == "LITE"


def test_an_update_may_rename(pool: Pool) -> None:
    assert pool.update(PoolName="staff")["Name"] == "staff"
    assert pool.update()["Name"] == "staff"


def test_a_refused_update_changes_nothing(pool: Pool) -> None:
    before = pool.describe()

    refusal(pool.client.update_user_pool, UserPoolId=pool.id, MfaConfiguration="ON", PoolName="staff")

    assert pool.describe() == before


def test_a_deleted_pool_takes_its_clients_servers_and_keys_along(pool: Pool, server: Server) -> None:
    pool.resource_server()
    client_id = pool.machine()["ClientId"]

    pool.client.delete_user_pool(UserPoolId=pool.id)

    unknown = ("ResourceNotFoundException", f"User pool {pool.id} does not exist.")
    assert refusal(pool.client.describe_user_pool, UserPoolId=pool.id) == unknown
    assert refusal(pool.client.delete_user_pool, UserPoolId=pool.id) == unknown
    assert server.read(lambda tx: queries.find_client_owner(tx, client_id)) is None
    assert server.read(lambda tx: list(queries.all_secrets(tx))) == []
    assert server.read(lambda tx: queries.list_keys(tx, pool.id)) == []
    assert server.read(lambda tx: queries.list_resource_servers(tx, pool.id)) == []
    assert server.last_changes() == {
        ("user_pool_client", client_id),
        ("resource_server", pool.id),
        ("user_pool", pool.id),
    }


def test_a_protected_pool_is_not_deleted(client: Client) -> None:
    pool = Pool(client, DeletionProtection="ACTIVE")

    refused = refusal(client.delete_user_pool, UserPoolId=pool.id)

    assert refused == (
        "InvalidParameterException",
        "The user pool cannot be deleted because deletion protection is activated. "
        "Deletion protection must be inactivated first.",
    )
    pool.update(DeletionProtection="INACTIVE")
    assert client.delete_user_pool(UserPoolId=pool.id) == {}


def test_a_pool_with_a_domain_is_not_deleted(pool: Pool) -> None:
    pool.domain("orders")

    refused = refusal(pool.client.delete_user_pool, UserPoolId=pool.id)

    text = "User pool cannot be deleted. It has a domain configured that should be deleted first."
    assert refused == ("InvalidParameterException", text)
    pool.client.delete_user_pool_domain(Domain="orders", UserPoolId=pool.id)
    assert pool.client.delete_user_pool(UserPoolId=pool.id) == {}


def test_pools_are_listed_page_by_page(client: Client) -> None:
    made = sorted(Pool(client, PoolName=f"pool{number}").id for number in range(5))
    seen: list[str] = []
    request: dict[str, Any] = {"MaxResults": 2}

    sizes = []
    while True:
        page = client.list_user_pools(**request)
        sizes.append(len(page["UserPools"]))
        seen += [pool["Id"] for pool in page["UserPools"]]
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]

    assert sorted(seen) == made
    assert sizes == [2, 2, 1]
    assert set(client.list_user_pools(MaxResults=1)["UserPools"][0]) == {
        "Id",
        "Name",
        "LambdaConfig",
        "LastModifiedDate",
        "CreationDate",
    }


def test_a_list_needs_a_page_size(client: Client) -> None:
    code, _ = refusal(client.list_user_pools)

    assert code == "InvalidParameterException"


def test_pools_per_account_are_a_quota(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scopegate.userpools.operations.cognito_idp.user_pools.limit", lambda name: 1)
    strict = client.with_settings(aws_quotas=True)
    Pool(client)

    code, _ = refusal(strict.create_user_pool, PoolName="one too many")

    assert code == "LimitExceededException"
    assert Pool(client).id
    assert Pool(strict.elsewhere(region="eu-west-1")).id


def test_features_that_no_pool_has_answer_empty(pool: Pool) -> None:
    """Deployment tools ask after they made a pool."""
    assert pool.client.list_identity_providers(UserPoolId=pool.id) == {"Providers": []}
    assert pool.client.list_user_pool_replicas(UserPoolId=pool.id) == {"UserPoolReplicas": []}
    assert pool.client.get_log_delivery_configuration(UserPoolId=pool.id) == {
        "LogDeliveryConfiguration": {"UserPoolId": pool.id, "LogConfigurations": []}
    }
