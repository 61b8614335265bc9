"""Factors beside the password: where codes go, which second factors a pool has and a user is asked for, and what an
address is held for by them.

Whoever has a factor switched on is asked for it, also when its address is not verified: the code goes to the address
that stands, and proves it. A factor that is on and cannot be asked for ends the sign-in; it never falls away.
Source: reference, "Auth flows and challenges"; the model's texts of MFA_SETUP, SetUserMFAPreference and
AccountRecoverySetting.
"""

from collections.abc import Mapping
from typing import Any, Final

from scopegate.userpools.users.model import EMAIL_OTP, SMS_MFA, SMS_OTP, SOFTWARE_TOKEN_MFA, User

ADDRESS_OF: Final[Mapping[str, str]] = {EMAIL_OTP: "email", SMS_OTP: "phone_number", SMS_MFA: "phone_number"}
"""The attribute that a factor's codes go to."""

FIRST_CODES: Final = (EMAIL_OTP, SMS_OTP)
"""Codes that are first factors."""


def pool_factors(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The second factors that a pool has. document: UserPoolType with MfaConfig."""
    if document.get("MfaConfiguration", "OFF") == "OFF":
        return ()
    config = document.get("MfaConfig") or {}
    found = []
    if document.get("SmsConfiguration") or config.get("SmsMfaConfiguration"):
        found.append(SMS_MFA)
    if (config.get("SoftwareTokenMfaConfiguration") or {}).get("Enabled"):
        found.append(SOFTWARE_TOKEN_MFA)
    if "EmailMfaConfiguration" in config:
        found.append(EMAIL_OTP)
    return tuple(found)


def is_required(document: Mapping[str, Any]) -> bool:
    """Whether nobody signs in to the pool without a second factor."""
    return document.get("MfaConfiguration") == "ON"


def has_means(user: User, factor: str) -> bool:
    """Whether the user has what a factor needs: an app that has proved itself, an address."""
    if factor == SOFTWARE_TOKEN_MFA:
        return user.secrets.totp is not None
    return bool(user.attributes.get(ADDRESS_OF[factor]))


def second_factors(document: Mapping[str, Any], user: User) -> tuple[str, ...]:
    """Those of which a sign-in of this user asks for one; empty when there is none.

    They are those that are switched on. Where MFA is required and none is, an address that the user has serves, a mail
    before an SMS.
    """
    of_pool = pool_factors(document)
    switched_on = tuple(factor for factor in of_pool if factor in user.mfa)
    if switched_on or not is_required(document):
        return switched_on
    serving = [factor for factor in (EMAIL_OTP, SMS_MFA) if factor in of_pool and has_means(user, factor)]
    return tuple(serving[:1])


def is_second_factor(document: Mapping[str, Any], user: User, attribute: str) -> bool:
    """Whether codes of a second factor of this user go to the address that is this attribute."""
    return attribute in (ADDRESS_OF.get(factor) for factor in second_factors(document, user))
