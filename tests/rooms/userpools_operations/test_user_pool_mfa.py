"""GetUserPoolMfaConfig, SetUserPoolMfaConfig."""

from typing import Any

import pytest

from tests.rooms.userpools_operations.driver import ACCOUNT, REGION, Client, Pool, refusal

SMS = {"SnsCallerArn": "arn:aws:iam::000000000000:role/sms", "ExternalId": "sms", "SnsRegion": "us-east-1"}
OFF_AND_A_FACTOR = "Invalid MFA configuration given, can't turn off MFA and configure an MFA together."


def test_second_factors_are_set_and_shown(pool: Pool) -> None:
    assert pool.client.get_user_pool_mfa_config(UserPoolId=pool.id) == {"MfaConfiguration": "OFF"}

    answer = pool.client.set_user_pool_mfa_config(
        UserPoolId=pool.id, SoftwareTokenMfaConfiguration={"Enabled": True}, MfaConfiguration="OPTIONAL"
    )

    wanted = {"SoftwareTokenMfaConfiguration": {"Enabled": True}, "MfaConfiguration": "OPTIONAL"}
    assert answer == wanted
    assert pool.client.get_user_pool_mfa_config(UserPoolId=pool.id) == wanted
    assert pool.describe()["MfaConfiguration"] == "OPTIONAL"
    assert "MfaConfig" not in pool.describe()
    assert pool.update(MfaConfiguration="ON")["MfaConfiguration"] == "ON"


def test_sms_settings_of_the_pool_are_those_of_its_second_factor(pool: Pool) -> None:
    pool.client.set_user_pool_mfa_config(
        UserPoolId=pool.id,
        SmsMfaConfiguration={"SmsAuthenticationMessage": "Code {####}", "SmsConfiguration": SMS},
        MfaConfiguration="ON",
    )

    described = pool.describe()
    assert (described["SmsConfiguration"], described["SmsAuthenticationMessage"]) == (SMS, "Code {####}")
    assert pool.client.get_user_pool_mfa_config(UserPoolId=pool.id) == {
        "SmsMfaConfiguration": {"SmsAuthenticationMessage": "Code {####}", "SmsConfiguration": SMS},
        "MfaConfiguration": "ON",
    }


@pytest.mark.parametrize(
    ("members", "text"),
    [
        pytest.param(
            {"MfaConfiguration": "ON"},
            "At least one of [SmsMfaConfiguration] or [SoftwareTokenMfaConfiguration] must be provided.",
            id="no_factor",
        ),
        pytest.param(
            {"MfaConfiguration": "OPTIONAL", "SoftwareTokenMfaConfiguration": {"Enabled": False}},
            "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration.",
            id="all_factors_off",
        ),
        pytest.param(
            {"MfaConfiguration": "OPTIONAL", "WebAuthnConfiguration": {"UserVerification": "preferred"}},
            "Invalid MFA Configuration given. SMS MFA, Email MFA, or Software Token MFA must be enabled.",
            id="a_passkey_is_no_factor",
        ),
        pytest.param({"SoftwareTokenMfaConfiguration": {"Enabled": True}}, OFF_AND_A_FACTOR, id="none_with_a_factor"),
        pytest.param(
            {"MfaConfiguration": "OFF", "SoftwareTokenMfaConfiguration": {"Enabled": False}},
            OFF_AND_A_FACTOR,
            id="off_with_a_factor_that_is_off",
        ),
        pytest.param(
            {"MfaConfiguration": "OFF", "EmailMfaConfiguration": {"Subject": "Code"}},
            OFF_AND_A_FACTOR,
            id="off_with_email",
        ),
        pytest.param(
            {"MfaConfiguration": "OFF", "SmsMfaConfiguration": {"SmsConfiguration": SMS}},
            OFF_AND_A_FACTOR,
            id="off_with_sms",
        ),
        pytest.param(
            {"MfaConfiguration": "ON", "EmailMfaConfiguration": {"Subject": "Code"}},
            "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of "
            "COGNITO_DEFAULT",
            id="email_by_cognito",
        ),
    ],
)
def test_second_factors_that_cannot_be_are_refused(pool: Pool, members: dict[str, Any], text: str) -> None:
    """Reference, "Error texts"; measurements on AWS published in August 2026: a factor's mere presence counts."""
    refused = refusal(pool.client.set_user_pool_mfa_config, UserPoolId=pool.id, **members)

    assert refused == ("InvalidParameterException", text)


def test_passkeys_go_with_mfa_that_is_off(pool: Pool) -> None:
    """Measured on AWS: a passkey is no second factor, so OFF and WebAuthnConfiguration go together."""
    answer = pool.client.set_user_pool_mfa_config(
        UserPoolId=pool.id, WebAuthnConfiguration={"RelyingPartyId": "auth.example.com"}
    )

    assert answer == {"MfaConfiguration": "OFF", "WebAuthnConfiguration": {"RelyingPartyId": "auth.example.com"}}


def test_codes_by_email_are_a_factor_of_pools_that_send_by_ses(client: Client) -> None:
    sender = {"EmailSendingAccount": "DEVELOPER", "SourceArn": f"arn:aws:ses:{REGION}:{ACCOUNT}:identity/a.example"}
    pool = Pool(client, EmailConfiguration=sender)

    answer = client.set_user_pool_mfa_config(UserPoolId=pool.id, EmailMfaConfiguration={}, MfaConfiguration="ON")

    assert answer == {"EmailMfaConfiguration": {}, "MfaConfiguration": "ON"}


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        pytest.param(
            "EMAIL_OTP",
            "Only PASSWORD and WEB_AUTHN (if configured) can be enabled as an auth factor if MFA is enabled",
            id="email_code",
        ),
        pytest.param(
            "WEB_AUTHN",
            "Cannot set WebAuthn factor configuration to SINGLE_FACTOR if MFA is required and WebAuthn is an allowed "
            "first auth factor",
            id="passkey",
        ),
    ],
)
def test_a_first_factor_that_skips_the_second_excludes_required_mfa(client: Client, factor: str, text: str) -> None:
    """Measured on AWS, published in August 2026: OPTIONAL is taken, ON refused."""
    pool = Pool(client, Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", factor]}})
    wanted = {"UserPoolId": pool.id, "SoftwareTokenMfaConfiguration": {"Enabled": True}}

    refused = refusal(client.set_user_pool_mfa_config, MfaConfiguration="ON", **wanted)

    assert refused == ("InvalidParameterException", text)
    assert client.set_user_pool_mfa_config(MfaConfiguration="OPTIONAL", **wanted)["MfaConfiguration"] == "OPTIONAL"


def test_a_passkey_that_verifies_its_user_goes_with_required_mfa(client: Client) -> None:
    pool = Pool(client, Policies={"SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "WEB_AUTHN"]}})
    passkeys = {"UserVerification": "required", "FactorConfiguration": "MULTI_FACTOR_WITH_USER_VERIFICATION"}

    answer = client.set_user_pool_mfa_config(
        UserPoolId=pool.id,
        MfaConfiguration="ON",
        SoftwareTokenMfaConfiguration={"Enabled": True},
        WebAuthnConfiguration=passkeys,
    )

    assert answer["WebAuthnConfiguration"] == passkeys
