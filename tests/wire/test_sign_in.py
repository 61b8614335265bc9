"""Users sign in by the JSON API: factors, challenges, renewing and taking back, as boto3 sees them.

Source: reference, "Auth flows and challenges", "Tokens", "Error texts".
"""

import json
import secrets
import time
from typing import Any

import pyotp
import pytest

from scopegate.userpools.signin import srp
from tests.people import PASSWORD, People, make_people, refused, secret_hash
from tests.server import Server, token_part

WRONG = "Incorrect username or password."


# Passwords


def test_a_password_gives_three_tokens(people: People) -> None:
    client = people.client()
    sub = people.user("ada", email="ada@example.com", email_verified="true")

    answer = people.by_password(client)

    assert answer["ChallengeParameters"] == {}
    result = answer["AuthenticationResult"]
    assert (result["TokenType"], result["ExpiresIn"]) == ("Bearer", 3600)
    access, identity = token_part(result["AccessToken"], 1), token_part(result["IdToken"], 1)
    assert (access["sub"], access["username"], access["client_id"]) == (sub, "ada", client["ClientId"])
    assert (access["token_use"], access["scope"]) == ("access", "aws.cognito.signin.user.admin")
    assert "version" not in access
    assert "aud" not in access
    assert (identity["token_use"], identity["aud"], identity["cognito:username"]) == ("id", client["ClientId"], "ada")
    assert (identity["email"], identity["email_verified"]) == ("ada@example.com", True)
    assert access["origin_jti"] == identity["origin_jti"] != access["jti"] != identity["jti"]
    assert token_part(result["AccessToken"], 0)["kid"] != token_part(result["IdToken"], 0)["kid"]
    assert len(result["RefreshToken"].split(".")) == 5


def test_a_password_is_proved_by_srp(people: People) -> None:
    client = people.client()
    people.user("ada")

    answer = people.by_srp(client)

    assert token_part(answer["AuthenticationResult"]["AccessToken"], 1)["username"] == "ada"


def test_a_secret_block_works_once(people: People) -> None:
    """Whatever came with it the first time (attack O15)."""
    client = people.client()
    people.user("ada")
    a = int.from_bytes(secrets.token_bytes(128), "big")
    asked = people.initiate(client, "USER_SRP_AUTH", USERNAME="ada", SRP_A=f"{pow(srp.G, a, srp.N):x}")
    proof = people.srp_proof(asked["ChallengeParameters"], a, PASSWORD)
    people.respond(client, asked, **proof)

    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked, **proof)


@pytest.mark.parametrize("srp_a", ["0", f"{srp.N:x}", f"{2 * srp.N:x}", "not hex"])
def test_a_public_value_that_proves_nothing_is_refused(people: People, srp_a: str) -> None:
    client = people.client()
    people.user("ada")

    with refused("InvalidParameterException"):
        people.initiate(client, "USER_SRP_AUTH", USERNAME="ada", SRP_A=srp_a)


def test_a_wrong_password_is_refused_by_both_ways(people: People) -> None:
    client = people.client()
    people.user("ada")

    with refused("NotAuthorizedException", WRONG):
        people.by_password(client, password="Wrong-Horse-9")
    with refused("NotAuthorizedException", WRONG):
        people.by_srp(client, password="Wrong-Horse-9")


def test_nobody_is_told_apart_where_the_client_hides_it(people: People) -> None:
    """Attack O17: the same words for a wrong password and for somebody who is not there, by both ways."""
    client = people.client(PreventUserExistenceErrors="ENABLED")
    open_client = people.client(PreventUserExistenceErrors="LEGACY")

    with refused("NotAuthorizedException", WRONG):
        people.by_password(client, "nobody")
    with refused("NotAuthorizedException", WRONG):
        people.by_srp(client, "nobody")
    with refused("UserNotFoundException", "User does not exist."):
        people.by_password(open_client, "nobody")


def test_the_salt_of_nobody_stays_the_same(people: People) -> None:
    client = people.client(PreventUserExistenceErrors="ENABLED")

    salts = {
        people.initiate(client, "USER_SRP_AUTH", USERNAME="nobody", SRP_A=f"{n:x}")["ChallengeParameters"]["SALT"]
        for n in (12345, 67890)
    }

    assert len(salts) == 1


def test_wrong_passwords_lock_a_user_for_a_while(start_server: Any) -> None:
    """Five are free; then no password is looked at for a second, two, four, …"""
    server: Server = start_server("serve", "--dev")
    people = make_people(server)
    client = people.client()
    people.user("ada")
    for _ in range(5):
        with refused("NotAuthorizedException", WRONG):
            people.by_password(client, password="Wrong-Horse-9")

    with refused("NotAuthorizedException", "Password attempts exceeded"):
        people.by_password(client)
    server.turn_clock(2)
    assert "AuthenticationResult" in people.by_password(client)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"PASSWORD": PASSWORD}, "Missing required parameter USERNAME"),
        ({"USERNAME": "ada"}, "Missing required parameter PASSWORD"),
    ],
)
def test_what_a_flow_needs_must_be_there(people: People, given: dict[str, str], text: str) -> None:
    with refused("InvalidParameterException", text):
        people.initiate(people.client(), "USER_PASSWORD_AUTH", **given)


def test_a_flow_that_the_client_lacks_is_refused(people: People) -> None:
    client = people.client("ALLOW_USER_SRP_AUTH")
    people.user("ada")

    with refused("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client"):
        people.by_password(client)
    with refused("InvalidParameterException", "Initiate Auth method not supported"):
        people.initiate(client, "ADMIN_USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=PASSWORD)


def test_an_operator_signs_a_user_in(people: People) -> None:
    client = people.client("ALLOW_ADMIN_USER_PASSWORD_AUTH")
    people.user("ada")

    answer = people.idp.admin_initiate_auth(
        UserPoolId=people.pool_id,
        ClientId=client["ClientId"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ada", "PASSWORD": PASSWORD},
    )

    assert "AccessToken" in answer["AuthenticationResult"]


# SECRET_HASH


def test_a_client_with_a_secret_proves_it(people: People) -> None:
    client = people.client(GenerateSecret=True)
    people.user("ada")

    assert "AuthenticationResult" in people.by_password(client)
    bare = {"ClientId": client["ClientId"]}
    missing = f"Client {client['ClientId']} is configured with secret but SECRET_HASH was not received"
    with refused("NotAuthorizedException", missing):
        people.by_password(bare)
    with refused("NotAuthorizedException", f"Unable to verify secret hash for client {client['ClientId']}"):
        people.initiate(
            client, "USER_PASSWORD_AUTH", USERNAME="ada", PASSWORD=PASSWORD, SECRET_HASH=secret_hash(client, "bob")
        )


# A new password


def test_a_temporary_password_must_be_changed(people: People) -> None:
    client = people.client()
    people.user("ada", permanent=False)

    asked = people.by_password(client)
    assert asked["ChallengeName"] == "NEW_PASSWORD_REQUIRED"
    assert json.loads(asked["ChallengeParameters"]["requiredAttributes"]) == []
    with refused("InvalidPasswordException", "Password did not conform with policy: Password not long enough"):
        people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Short-1")
    answer = people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Another-Horse-9")

    assert "AccessToken" in answer["AuthenticationResult"]
    assert "AuthenticationResult" in people.by_password(client, password="Another-Horse-9")
    with refused("NotAuthorizedException", WRONG):
        people.by_password(client)


def test_a_required_attribute_comes_with_the_new_password(server: Server) -> None:
    schema = [{"Name": "name", "Required": True, "Mutable": True, "AttributeDataType": "String"}]
    people = make_people(server, Schema=schema)
    client = people.client()
    people.user("ada", permanent=False)

    asked = people.by_password(client)
    assert json.loads(asked["ChallengeParameters"]["requiredAttributes"]) == ["userAttributes.name"]
    with refused("InvalidParameterException"):
        people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Another-Horse-9")
    answer = people.respond(
        client, asked, **{"USERNAME": "ada", "NEW_PASSWORD": "Another-Horse-9", "userAttributes.name": "Ada"}
    )

    assert token_part(answer["AuthenticationResult"]["IdToken"], 1)["name"] == "Ada"


def test_a_session_is_of_its_user_and_works_once(people: People) -> None:
    client = people.client()
    people.user("ada", permanent=False)
    people.user("bob", permanent=False)
    asked = people.by_password(client)

    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked, USERNAME="bob", NEW_PASSWORD="Another-Horse-9")
    people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Another-Horse-9")
    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked, USERNAME="ada", NEW_PASSWORD="Another-Horse-8")


# Second factors


def with_mfa(server: Server, wanted: str) -> People:
    people = make_people(server)
    people.idp.set_user_pool_mfa_config(
        UserPoolId=people.pool_id,
        SoftwareTokenMfaConfiguration={"Enabled": True},
        MfaConfiguration=wanted,
    )
    return people


def test_an_authenticator_app_is_set_up_at_sign_in_and_asked_for_after(server: Server) -> None:
    people = with_mfa(server, "ON")
    client = people.client()
    people.user("ada")

    asked = people.by_password(client)
    assert asked["ChallengeName"] == "MFA_SETUP"
    assert json.loads(asked["ChallengeParameters"]["MFAS_CAN_SETUP"]) == ["SOFTWARE_TOKEN_MFA"]
    associated = people.idp.associate_software_token(Session=asked["Session"])
    app = pyotp.TOTP(associated["SecretCode"])
    with refused("EnableSoftwareTokenMFAException", "Code mismatch"):
        people.idp.verify_software_token(Session=associated["Session"], UserCode="000000")
    verified = people.idp.verify_software_token(
        Session=associated["Session"], UserCode=app.now(), FriendlyDeviceName="phone"
    )
    assert verified["Status"] == "SUCCESS"
    done = people.respond(client, {"ChallengeName": "MFA_SETUP", "Session": verified["Session"]}, USERNAME="ada")
    assert "AccessToken" in done["AuthenticationResult"]

    asked = people.by_password(client)
    assert asked["ChallengeName"] == "SOFTWARE_TOKEN_MFA"
    assert asked["ChallengeParameters"]["FRIENDLY_DEVICE_NAME"] == "phone"
    with refused("CodeMismatchException"):
        people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE="000000")


def test_mfa_set_up_is_not_answered_without_an_app(server: Server) -> None:
    people = with_mfa(server, "ON")
    client = people.client()
    people.user("ada")
    asked = people.by_password(client)

    with refused("InvalidParameterException"):
        people.respond(client, asked, USERNAME="ada")


def test_a_code_of_an_app_counts_once(start_server: Any) -> None:
    """Attack O23: neither in the same window nor by another session."""
    server: Server = start_server("serve", "--dev")
    people = with_mfa(server, "OPTIONAL")
    client = people.client()
    people.user("ada")
    access_token = people.tokens(client)["AccessToken"]
    app = pyotp.TOTP(people.idp.associate_software_token(AccessToken=access_token)["SecretCode"])
    people.idp.verify_software_token(AccessToken=access_token, UserCode=app.now())
    people.idp.set_user_mfa_preference(
        AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
    )
    server.turn_clock(60)
    code = app.at(int(time.time()) + 60)
    first, second = people.by_password(client), people.by_password(client)

    assert "AuthenticationResult" in people.respond(client, first, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=code)
    with refused("CodeMismatchException"):
        people.respond(client, second, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=code)


def test_wrong_codes_use_a_session_up(server: Server) -> None:
    people = with_mfa(server, "OPTIONAL")
    client = people.client()
    people.user("ada")
    access_token = people.tokens(client)["AccessToken"]
    app = pyotp.TOTP(people.idp.associate_software_token(AccessToken=access_token)["SecretCode"])
    people.idp.verify_software_token(AccessToken=access_token, UserCode=app.now())
    people.idp.set_user_mfa_preference(AccessToken=access_token, SoftwareTokenMfaSettings={"Enabled": True})
    asked = people.by_password(client)
    for _ in range(5):
        with refused("CodeMismatchException"):
            people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE="000000")

    with refused("NotAuthorizedException", "Invalid session for the user."):
        people.respond(client, asked, USERNAME="ada", SOFTWARE_TOKEN_MFA_CODE=app.now())


# Choosing the first factor


def test_a_user_chooses_the_first_factor(server: Server) -> None:
    people = make_people(server)
    client = people.client("ALLOW_USER_AUTH")
    people.user("ada", email="ada@example.com", email_verified="true")

    asked = people.initiate(client, "USER_AUTH", USERNAME="ada")
    assert asked["ChallengeName"] == "SELECT_CHALLENGE"
    assert set(asked["AvailableChallenges"]) == {"PASSWORD", "PASSWORD_SRP"}
    chosen = people.respond(client, asked, USERNAME="ada", ANSWER="PASSWORD", PASSWORD=PASSWORD)
    assert "AuthenticationResult" in chosen
    direct = people.initiate(client, "USER_AUTH", USERNAME="ada", PREFERRED_CHALLENGE="PASSWORD", PASSWORD=PASSWORD)
    assert "AuthenticationResult" in direct


def test_a_level_that_is_asked_for_is_not_left_out(people: People) -> None:
    """Step-up (the model's text of TARGET_ACR_VALUES) is not here: nobody gets tokens that look like it."""
    client = people.client("ALLOW_USER_AUTH")
    people.user("ada")

    with refused("FeatureUnavailableInTierException"):
        people.initiate(client, "USER_AUTH", USERNAME="ada", TARGET_ACR_VALUES="urn:cognito:loa:4")


# Renewing


def test_a_refresh_token_gives_new_tokens_of_the_same_sign_in(people: People) -> None:
    client = people.client()
    people.user("ada")
    first = people.tokens(client)

    renewed = people.refresh(client, first["RefreshToken"])

    assert set(renewed) == {"AccessToken", "ExpiresIn", "IdToken", "TokenType"}
    old, new = token_part(first["AccessToken"], 1), token_part(renewed["AccessToken"], 1)
    assert (old["origin_jti"], old["auth_time"]) == (new["origin_jti"], new["auth_time"])
    assert old["jti"] != new["jti"]


def test_a_refresh_token_of_another_client_is_none(people: People) -> None:
    """RFC 6749 section 6 (attack O5)."""
    owner, thief = people.client(), people.client()
    people.user("ada")
    token = people.tokens(owner)["RefreshToken"]

    with refused("NotAuthorizedException", "Invalid Refresh Token"):
        people.refresh(thief, token)
    assert "AccessToken" in people.refresh(owner, token)


def test_what_is_no_refresh_token_is_refused(people: People) -> None:
    client = people.client()
    people.user("ada")
    tokens = people.tokens(client)
    head, key, nonce, text, tag = tokens["RefreshToken"].split(".")

    for wrong in (
        "x",
        tokens["AccessToken"],
        f"{head}.{key}.{nonce}.{text}.{'B' if tag[0] == 'A' else 'A'}{tag[1:]}",
        f"{head}.x.{nonce}.{text}.{tag}",
    ):
        with refused("NotAuthorizedException", "Invalid Refresh Token"):
            people.refresh(client, wrong)


def rotating(people: People, grace_s: int) -> dict[str, Any]:
    return people.client(
        "ALLOW_USER_PASSWORD_AUTH",
        RefreshTokenRotation={"Feature": "ENABLED", "RetryGracePeriodSeconds": grace_s},
    )


def renewed(people: People, client: dict[str, Any], token: str) -> dict[str, Any]:
    answer = people.idp.get_tokens_from_refresh_token(RefreshToken=token, ClientId=client["ClientId"])
    result: dict[str, Any] = answer["AuthenticationResult"]
    return result


def test_rotation_gives_a_new_refresh_token_and_lets_one_be_asked_for_again(people: People) -> None:
    """A client that lost the answer asks once more within the grace period and gets the same token."""
    client = rotating(people, 60)
    people.user("ada")
    first = people.tokens(client)["RefreshToken"]

    second = renewed(people, client, first)["RefreshToken"]
    again = renewed(people, client, first)["RefreshToken"]

    assert second == again != first
    assert renewed(people, client, second)["RefreshToken"] not in (first, second)


def test_a_used_refresh_token_takes_the_whole_sign_in_back(people: People) -> None:
    """RFC 9700 section 4.14.2 (attack O5): whoever stole it, both lose."""
    client = rotating(people, 0)
    people.user("ada")
    first = people.tokens(client)["RefreshToken"]
    second = renewed(people, client, first)

    with refused("RefreshTokenReuseException"):
        renewed(people, client, first)
    with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        renewed(people, client, second["RefreshToken"])
    with refused("NotAuthorizedException", "Access Token has been revoked"):
        people.idp.get_user(AccessToken=second["AccessToken"])


def test_a_refresh_token_expires(start_server: Any) -> None:
    server: Server = start_server("serve", "--dev")
    people = make_people(server)
    client = people.client(RefreshTokenValidity=60, TokenValidityUnits={"RefreshToken": "minutes"})
    people.user("ada")
    token = people.tokens(client)["RefreshToken"]
    server.turn_clock(3_601)

    with refused("NotAuthorizedException", "Refresh Token has expired"):
        people.refresh(client, token)


# Taking back


def test_revoking_ends_one_sign_in_and_no_other(people: People) -> None:
    client = people.client()
    people.user("ada")
    gone, kept = people.tokens(client), people.tokens(client)

    people.idp.revoke_token(Token=gone["RefreshToken"], ClientId=client["ClientId"])

    with refused("NotAuthorizedException", "Refresh Token has been revoked"):
        people.refresh(client, gone["RefreshToken"])
    with refused("NotAuthorizedException", "Access Token has been revoked"):
        people.idp.get_user(AccessToken=gone["AccessToken"])
    assert people.idp.get_user(AccessToken=kept["AccessToken"])["Username"] == "ada"
    assert "AccessToken" in people.refresh(client, kept["RefreshToken"])


def test_another_clients_token_is_not_revoked(people: People) -> None:
    """RFC 7009 section 2.1 (attack O10)."""
    owner, thief = people.client(), people.client()
    people.user("ada")
    token = people.tokens(owner)["RefreshToken"]

    people.idp.revoke_token(Token=token, ClientId=thief["ClientId"])

    assert "AccessToken" in people.refresh(owner, token)
    with refused("UnsupportedTokenTypeException"):
        people.idp.revoke_token(Token=people.tokens(owner)["AccessToken"], ClientId=owner["ClientId"])


def test_signing_out_everywhere_ends_every_sign_in(people: People) -> None:
    client = people.client()
    people.user("ada")
    first, second = people.tokens(client), people.tokens(client)

    people.idp.global_sign_out(AccessToken=first["AccessToken"])

    for tokens in (first, second):
        with refused("NotAuthorizedException", "Refresh Token has been revoked"):
            people.refresh(client, tokens["RefreshToken"])
        with refused("NotAuthorizedException", "Access Token has been revoked"):
            people.idp.get_user(AccessToken=tokens["AccessToken"])
    assert people.idp.get_user(AccessToken=people.tokens(client)["AccessToken"])["Username"] == "ada"


def test_a_disabled_user_is_out_and_comes_back(people: People) -> None:
    client = people.client()
    people.user("ada")
    tokens = people.tokens(client)

    people.idp.admin_disable_user(UserPoolId=people.pool_id, Username="ada")
    with refused("NotAuthorizedException", "User is disabled."):
        people.by_password(client)
    with refused("NotAuthorizedException"):
        people.refresh(client, tokens["RefreshToken"])
    people.idp.admin_enable_user(UserPoolId=people.pool_id, Username="ada")

    assert people.idp.get_user(AccessToken=people.tokens(client)["AccessToken"])["Username"] == "ada"
    with refused("NotAuthorizedException", "Access Token has been revoked"):
        people.idp.get_user(AccessToken=tokens["AccessToken"])


def test_a_user_whose_password_is_reset_has_to_choose_one_first(people: People) -> None:
    client = people.client()
    people.user("ada", email="ada@example.com", email_verified="true")
    tokens = people.tokens(client)

    people.idp.admin_reset_user_password(UserPoolId=people.pool_id, Username="ada")

    for refused_call in (
        lambda: people.by_password(client),
        lambda: people.idp.get_user(AccessToken=tokens["AccessToken"]),
        lambda: people.refresh(client, tokens["RefreshToken"]),
    ):
        with refused("PasswordResetRequiredException"):
            refused_call()


# Another pool


def test_a_token_of_another_pool_is_none_here(server: Server) -> None:
    """Attack O24."""
    here, there = make_people(server), make_people(server)
    for each in (here, there):
        each.user("ada")
    client = here.client()
    token = there.tokens(there.client())["RefreshToken"]

    with refused("NotAuthorizedException", "Invalid Refresh Token"):
        here.refresh(client, token)
