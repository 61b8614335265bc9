"""Which second factors a user pool has: SMS, authenticator apps, e-mail, passkeys. Stored until users come to use them.

Source: reference, "User pools" and "Error texts"; the model's texts of SetUserPoolMfaConfig.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool, moment

_FACTORS: Final = (
    "SmsMfaConfiguration",
    "SoftwareTokenMfaConfiguration",
    "EmailMfaConfiguration",
    "WebAuthnConfiguration",
)
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
    config = {factor: request[factor] for factor in _FACTORS if request.get(factor)}
    sms = config.pop("SmsMfaConfiguration", {})
    wanted = request.get("MfaConfiguration", "OFF")
    if sms and "SmsConfiguration" not in sms:
        raise refusals.invalid("[SmsConfiguration] is a required member of [SmsMfaConfiguration].")
    token_enabled = config.get("SoftwareTokenMfaConfiguration", {}).get("Enabled", False)
    if wanted == "OFF" and token_enabled:
        raise refusals.invalid("Invalid MFA configuration given, can't turn off MFA and configure an MFA together.")
    if wanted != "OFF" and not (sms or token_enabled or "EmailMfaConfiguration" in config):
        raise refusals.invalid(
            "At least one of [SmsMfaConfiguration] or [SoftwareTokenMfaConfiguration] must be provided."
        )
    changed = pool | sms | {"MfaConfig": config, "MfaConfiguration": wanted, "LastModifiedDate": moment(call)}
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], changed)
    return _render_config(changed)
