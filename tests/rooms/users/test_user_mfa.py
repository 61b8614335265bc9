"""Second factors of users: authenticator apps and preferences, by boto3."""

import time
from typing import Any

import pyotp
import pytest

from tests.people import People, make_people, refused
from tests.server import Server

APP = {"SoftwareTokenMfaConfiguration": {"Enabled": True}}


def with_apps(server: Server, mode: str = "OPTIONAL") -> People:
    people = make_people(server)
    people.idp.set_user_pool_mfa_config(UserPoolId=people.pool_id, MfaConfiguration=mode, **APP)
    people.user("ada", email="ada@example.com", email_verified="true", phone_number="+12025550123")
    return people


def factors(people: People, token: str) -> tuple[Any, Any]:
    user = people.idp.get_user(AccessToken=token)
    return user.get("UserMFASettingList"), user.get("PreferredMfaSetting")


def set_up_app(people: People, token: str) -> tuple[pyotp.TOTP, str]:
    """The app, and the code by which it proved itself."""
    secret = people.idp.associate_software_token(AccessToken=token)["SecretCode"]
    app = pyotp.TOTP(secret)
    code = app.now()
    verified = people.idp.verify_software_token(AccessToken=token, UserCode=code, FriendlyDeviceName="phone")
    assert verified["Status"] == "SUCCESS"
    return app, code


def prefer(people: People, token: str, enabled: bool = True, preferred: bool = True) -> None:
    settings = {"Enabled": enabled, "PreferredMfa": preferred}
    people.idp.set_user_mfa_preference(AccessToken=token, SoftwareTokenMfaSettings=settings)


def test_an_app_is_set_up_switched_on_and_asked_for(server: Server) -> None:
    """Reference: TOTP of SHA-1, 6 digits, 30 s; a code counts once."""
    people = with_apps(server)
    client = people.client()
    token = people.tokens(client)["AccessToken"]

    app, used = set_up_app(people, token)
    before = factors(people, token)
    prefer(people, token)
    asked = people.by_password(client)
    with refused("CodeMismatchException"):
        people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE="000000")
    with refused("CodeMismatchException"):
        people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=used)
    done = people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=app.at(int(time.time()) + 30))

    assert before == (None, None)
    assert factors(people, token) == (["SOFTWARE_TOKEN_MFA"], "SOFTWARE_TOKEN_MFA")
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    assert asked["ChallengeParameters"]["FRIENDLY_DEVICE_NAME"] == "phone"
    assert done["AuthenticationResult"]["AccessToken"]


def test_an_app_that_does_not_prove_itself_is_none(server: Server) -> None:
    people = with_apps(server)
    token = people.tokens(people.client())["AccessToken"]

    with refused("SoftwareTokenMFANotFoundException"):
        people.idp.verify_software_token(AccessToken=token, UserCode="123456")
    people.idp.associate_software_token(AccessToken=token)
    with refused("EnableSoftwareTokenMFAException", "Code mismatch"):
        people.idp.verify_software_token(AccessToken=token, UserCode="000000")
    with refused("InvalidParameterException", "User does not have delivery config set to turn on SOFTWARE_TOKEN_MFA"):
        prefer(people, token)


def test_a_pool_without_apps_takes_none(people: People) -> None:
    people.user("ada")
    token = people.tokens(people.client())["AccessToken"]

    with refused("SoftwareTokenMFANotFoundException"):
        people.idp.associate_software_token(AccessToken=token)


def test_a_sign_in_that_needs_an_app_sets_it_up(server: Server) -> None:
    """Reference: MFA_SETUP, by the session alone."""
    people = with_apps(server, "ON")
    client = people.client()
    asked = people.by_password(client)

    begun = people.idp.associate_software_token(Session=asked["Session"])
    app = pyotp.TOTP(begun["SecretCode"])
    with refused("EnableSoftwareTokenMFAException"):
        people.idp.verify_software_token(Session=begun["Session"], UserCode="000000")
    verified = people.idp.verify_software_token(Session=begun["Session"], UserCode=app.now())
    with refused("NotAuthorizedException"):
        people.idp.associate_software_token(Session=asked["Session"])
    done = people.respond(client, {**verified, "ChallengeName": "MFA_SETUP"}, USERNAME="ada")

    assert asked["ChallengeName"] == "MFA_SETUP"
    assert done["AuthenticationResult"]["AccessToken"]
    assert people.by_password(client)["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_an_app_that_is_there_is_not_replaced_by_a_sign_in_that_began_before(server: Server) -> None:
    """Whoever has the password alone, and waited, does not get past the app that its user has set up since."""
    people = with_apps(server, "ON")
    client = people.client()
    asked, asked_of_a_thief = people.by_password(client), people.by_password(client)
    stolen = people.idp.associate_software_token(Session=asked_of_a_thief["Session"])

    made = people.idp.associate_software_token(Session=asked["Session"])
    app = pyotp.TOTP(made["SecretCode"])
    people.idp.verify_software_token(Session=made["Session"], UserCode=app.now())
    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.idp.verify_software_token(Session=stolen["Session"], UserCode=pyotp.TOTP(stolen["SecretCode"]).now())
    asked_again = people.by_password(client)
    done = people.respond(client, asked_again, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=app.at(int(time.time()) + 30))

    assert done["AuthenticationResult"]["AccessToken"]


def test_preferences(server: Server) -> None:
    people = with_apps(server)
    token = people.tokens(people.client())["AccessToken"]
    set_up_app(people, token)
    on, preferred = {"Enabled": True}, {"Enabled": True, "PreferredMfa": True}
    call = people.idp.set_user_mfa_preference

    call(AccessToken=token, SMSMfaSettings=on, SoftwareTokenMfaSettings=on, EmailMfaSettings=preferred)
    all_on = factors(people, token)
    call(AccessToken=token, EmailMfaSettings={"Enabled": False})
    without_mail = factors(people, token)
    with refused("InvalidParameterException"):
        call(AccessToken=token, SMSMfaSettings=preferred, SoftwareTokenMfaSettings=preferred)
    with refused("InvalidParameterException"):
        call(AccessToken=token, EmailMfaSettings={"Enabled": False, "PreferredMfa": True})
    with refused("InvalidParameterException"):
        call(AccessToken=token, WebAuthnMfaSettings=on)
    people.idp.admin_set_user_mfa_preference(
        UserPoolId=people.pool_id, Username="ada", SoftwareTokenMfaSettings=preferred, SMSMfaSettings={"Enabled": False}
    )

    assert all_on == (["SMS_MFA", "SOFTWARE_TOKEN_MFA", "EMAIL_OTP"], "EMAIL_OTP")
    assert without_mail == (["SMS_MFA", "SOFTWARE_TOKEN_MFA"], None)
    assert factors(people, token) == (["SOFTWARE_TOKEN_MFA"], "SOFTWARE_TOKEN_MFA")


def test_an_operator_takes_an_app_away(server: Server) -> None:
    people = with_apps(server)
    client = people.client()
    token = people.tokens(client)["AccessToken"]
    set_up_app(people, token)
    prefer(people, token)

    people.idp.admin_delete_software_token(UserPoolId=people.pool_id, Username="ada")

    assert factors(people, token) == (None, None)
    assert people.tokens(client)


@pytest.mark.parametrize("by_operator", [False, True])
def test_the_old_way_knows_sms(people: People, by_operator: bool) -> None:
    """SetUserSettings, AdminSetUserSettings."""
    people.user("ada", phone_number="+12025550123")
    token = people.tokens(people.client())["AccessToken"]
    options = [{"DeliveryMedium": "SMS", "AttributeName": "phone_number"}]

    def set_options(options: Any) -> None:
        if by_operator:
            people.idp.admin_set_user_settings(UserPoolId=people.pool_id, Username="ada", MFAOptions=options)
        else:
            people.idp.set_user_settings(AccessToken=token, MFAOptions=options)

    set_options(options)
    shown = people.idp.get_user(AccessToken=token)
    set_options([])

    assert (shown["MFAOptions"], shown["UserMFASettingList"]) == (options, ["SMS_MFA"])
    assert "MFAOptions" not in people.idp.get_user(AccessToken=token)
    with refused("InvalidParameterException"):
        set_options([{"DeliveryMedium": "EMAIL", "AttributeName": "email"}])


# Addresses that codes go to

BY_MAIL = {
    "MfaConfiguration": "OPTIONAL",
    "EmailMfaConfiguration": {},
    "SoftwareTokenMfaConfiguration": {"Enabled": True},
}


def with_mails(server: Server, **more: Any) -> tuple[People, dict[str, Any]]:
    """A pool that mails codes, where ada has that switched on; and its app client."""
    sender = {"EmailSendingAccount": "DEVELOPER", "SourceArn": "arn:aws:ses:us-east-1:000000000000:identity/a.example"}
    people = make_people(server, EmailConfiguration=sender, **more)
    people.idp.set_user_pool_mfa_config(UserPoolId=people.pool_id, **BY_MAIL)
    people.user("ada", email="ada@example.com", email_verified="true")
    people.idp.admin_set_user_mfa_preference(
        UserPoolId=people.pool_id, Username="ada", EmailMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    return people, people.client()


def change_mail(people: People, value: str) -> None:
    people.idp.admin_update_user_attributes(
        UserPoolId=people.pool_id, Username="ada", UserAttributes=[{"Name": "email", "Value": value}]
    )


def test_a_new_address_gets_the_codes_and_is_proved_by_one(server: Server) -> None:
    """Nobody loses the second factor by an address that is not verified yet."""
    people, client = with_mails(server)
    change_mail(people, "ada@example.org")

    asked = people.by_password(client)
    code = people.code("ada@example.org")
    done = people.respond(client, asked, USERNAME="ada", EMAIL_OTP_CODE=code)["AuthenticationResult"]

    shown = people.idp.get_user(AccessToken=done["AccessToken"])["UserAttributes"]
    assert asked["ChallengeName"] == "EMAIL_OTP"
    assert {"Name": "email_verified", "Value": "true"} in shown


def test_a_code_that_went_to_another_address_is_none(server: Server) -> None:
    people, client = with_mails(server)
    asked = people.by_password(client)
    code = people.code("ada@example.com")
    change_mail(people, "ada@example.org")

    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked, USERNAME="ada", EMAIL_OTP_CODE=code)


def test_an_address_does_not_go_away_while_codes_go_to_it(server: Server) -> None:
    people, client = with_mails(server)
    asked = people.by_password(client)
    done = people.respond(client, asked, USERNAME="ada", EMAIL_OTP_CODE=people.code("ada@example.com"))
    token = done["AuthenticationResult"]["AccessToken"]
    by_operator = {"UserPoolId": people.pool_id, "Username": "ada"}

    with refused("InvalidParameterException"):
        people.idp.delete_user_attributes(AccessToken=token, UserAttributeNames=["email"])
    with refused("InvalidParameterException"):
        people.idp.update_user_attributes(AccessToken=token, UserAttributes=[{"Name": "email", "Value": ""}])
    with refused("InvalidParameterException"):
        people.idp.admin_delete_user_attributes(**by_operator, UserAttributeNames=["email"])
    with refused("InvalidParameterException"):
        change_mail(people, "")
    people.idp.set_user_mfa_preference(AccessToken=token, EmailMfaSettings={"Enabled": False})
    people.idp.admin_delete_user_attributes(**by_operator, UserAttributeNames=["email"])

    assert people.tokens(client)


@pytest.mark.parametrize("by_operator", [False, True])
def test_a_factor_is_not_turned_off_where_one_is_required(server: Server, by_operator: bool) -> None:
    """The model's text of SoftwareTokenMfaSettingsType; AWS answers as if it were, and nothing is."""
    people = with_apps(server)
    client = people.client()
    token = people.tokens(client)["AccessToken"]
    set_up_app(people, token)
    prefer(people, token)
    people.idp.set_user_pool_mfa_config(UserPoolId=people.pool_id, MfaConfiguration="ON", **APP)

    if by_operator:
        off = {"Enabled": False, "PreferredMfa": False}
        people.idp.admin_set_user_mfa_preference(
            UserPoolId=people.pool_id, Username="ada", SoftwareTokenMfaSettings=off
        )
    else:
        prefer(people, token, enabled=False, preferred=False)

    assert factors(people, token) == (["SOFTWARE_TOKEN_MFA"], None)
    assert people.by_password(client)["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_an_address_of_a_second_factor_resets_no_password(server: Server) -> None:
    """The model's text of AccountRecoverySetting: one mailbox would be both factors."""
    by_mail = {"RecoveryMechanisms": [{"Priority": 1, "Name": "verified_email"}]}
    people, client = with_mails(server, AccountRecoverySetting=by_mail)
    request = {"ClientId": client["ClientId"], "Username": "ada"}

    with refused(
        "InvalidParameterException",
        "Cannot reset password for the user as there is no registered/verified email or phone_number",
    ):
        people.idp.forgot_password(**request)
    people.idp.admin_set_user_mfa_preference(
        UserPoolId=people.pool_id, Username="ada", EmailMfaSettings={"Enabled": False}
    )

    assert people.idp.forgot_password(**request)["CodeDeliveryDetails"]["AttributeName"] == "email"


def test_a_sign_in_that_needs_a_factor_takes_an_address(server: Server) -> None:
    """MFA_SETUP answered by EMAIL, as AWS Amplify does; the model's text of MFAS_CAN_SETUP lists the pool's factors."""
    people, client = with_mails(server)
    people.idp.set_user_pool_mfa_config(UserPoolId=people.pool_id, **{**BY_MAIL, "MfaConfiguration": "ON"})
    people.user("bob")
    asked, late = people.by_password(client, "bob"), people.by_password(client, "bob")

    with refused("InvalidParameterException", "Invalid email address format."):
        people.respond(client, asked, USERNAME="bob", EMAIL="nobody")
    mailed = people.respond(client, asked, USERNAME="bob", EMAIL="bob@example.com")
    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, late, USERNAME="bob", EMAIL="eve@example.com")
    done = people.respond(client, mailed, USERNAME="bob", EMAIL_OTP_CODE=people.code("bob@example.com"))

    assert asked["ChallengeParameters"]["MFAS_CAN_SETUP"] == '["SOFTWARE_TOKEN_MFA", "EMAIL_OTP"]'
    assert mailed["ChallengeName"] == "EMAIL_OTP"
    assert done["AuthenticationResult"]["AccessToken"]
