"""Which second factors a user pool has: SMS, authenticator apps, e-mail, passkeys. Stored until users come to use them.

Source: reference, "User pools" and "Error texts"; the model's texts of SetUserPoolMfaConfig; measurements on AWS that
were published in August 2026 (what excludes what, and its words).
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool, moment

_SECOND_FACTORS: Final = ("SmsMfaConfiguration", "SoftwareTokenMfaConfiguration", "EmailMfaConfiguration")
_MEMBERS: Final = (*_SECOND_FACTORS, "WebAuthnConfiguration")
_SMS_MEMBERS: Final = ("SmsAuthenticationMessage", "SmsConfiguration")


def _render_config(pool: Document) -> Shape:
    config = dict(pool.get("MfaConfig", {}))
    sms = {member: pool[member] for member in _SMS_MEMBERS if member in pool}
    if "SmsConfiguration" in sms:
        config["SmsMfaConfiguration"] = sms
    return config | {"MfaConfiguration": pool["MfaConfiguration"]}


def has_factor(pool: Document) -> bool:
    """Whether a pool has a second factor beside SMS."""
    config = pool.get("MfaConfig", {})
    return bool(config.get("SoftwareTokenMfaConfiguration", {}).get("Enabled")) or "EmailMfaConfiguration" in config


def get_user_pool_mfa_config(call: Call, request: Shape) -> Shape:
    """GetUserPoolMfaConfig."""
    return _render_config(get_pool(call, request["UserPoolId"]))


def set_user_pool_mfa_config(call: Call, request: Shape) -> Shape:
    """SetUserPoolMfaConfig: the whole; what the request leaves out is no factor of the pool any more.

    The SMS settings are the pool's own, shown by DescribeUserPool too, and stay when they are left out.
    """
    pool = get_pool(call, request["UserPoolId"])
    wanted = request.get("MfaConfiguration", "OFF")
    _check_factors(wanted, request)
    _check_senders(request, pool)
    if wanted == "ON":
        _check_first_factors(request, pool)
    config = {member: request[member] for member in _MEMBERS if member in request}
    sms = config.pop("SmsMfaConfiguration", {})
    changed = pool | sms | {"MfaConfig": config, "MfaConfiguration": wanted, "LastModifiedDate": moment(call)}
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], changed)
    return _render_config(changed)


def _check_factors(wanted: str, request: Shape) -> None:
    """Second factors and MFA go together or not at all; passkeys are no second factor."""
    named = [factor for factor in _SECOND_FACTORS if factor in request]
    if wanted == "OFF":
        if named:
            raise refusals.invalid("Invalid MFA configuration given, can't turn off MFA and configure an MFA together.")
        return
    if not named and "WebAuthnConfiguration" in request:
        raise refusals.invalid(
            "Invalid MFA Configuration given. SMS MFA, Email MFA, or Software Token MFA must be enabled."
        )
    if not named:
        raise refusals.invalid(
            "At least one of [SmsMfaConfiguration] or [SoftwareTokenMfaConfiguration] must be provided."
        )
    if named == ["SoftwareTokenMfaConfiguration"] and not request["SoftwareTokenMfaConfiguration"].get("Enabled"):
        raise refusals.invalid(
            "Invalid MFA configuration given, can't disable all MFAs with a required or optional configuration."
        )


def _check_senders(request: Shape, pool: Document) -> None:
    """A factor needs somebody who carries its codes."""
    if "SmsMfaConfiguration" in request and not request["SmsMfaConfiguration"].get("SmsConfiguration"):
        raise refusals.invalid("[SmsConfiguration] is a required member of [SmsMfaConfiguration].")
    if "EmailMfaConfiguration" in request and pool["EmailConfiguration"]["EmailSendingAccount"] != "DEVELOPER":
        raise refusals.invalid(
            "Cannot set EmailMfaConfiguration when user pool EmailConfiguration contains an EmailSendingAccount of "
            "COGNITO_DEFAULT"
        )


def _check_first_factors(request: Shape, pool: Document) -> None:
    """With MFA required, no first factor may stand alone."""
    allowed = pool["Policies"]["SignInPolicy"]["AllowedFirstAuthFactors"]
    if "EMAIL_OTP" in allowed or "SMS_OTP" in allowed:
        raise refusals.invalid(
            "Only PASSWORD and WEB_AUTHN (if configured) can be enabled as an auth factor if MFA is enabled"
        )
    passkeys = request.get("WebAuthnConfiguration", {}).get("FactorConfiguration", "SINGLE_FACTOR")
    if "WEB_AUTHN" in allowed and passkeys == "SINGLE_FACTOR":
        raise refusals.invalid(
            "Cannot set WebAuthn factor configuration to SINGLE_FACTOR if MFA is required and WebAuthn is an allowed "
            "first auth factor"
        )
