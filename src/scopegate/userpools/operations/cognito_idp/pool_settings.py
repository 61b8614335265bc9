"""What CreateUserPool and UpdateUserPool may set, as DescribeUserPool shows it: with every default that AWS fills in.

Both operations describe the whole: a member that is left out gets its default. An update leaves six alone that it does
not name: both policies, MfaConfiguration, UserAttributeUpdateSettings, UserPoolTags and UserPoolTier.
Source: reference, "Members of CreateUserPool"; the model's texts of the members; measurements on AWS that were
published in August 2026, field by field (AutoVerifiedAttributes is reset, MfaConfiguration and the policies stay). That
tags stay is what deployment tools count on: they send them by TagResource only.
"""

from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.store.documents import Document
from scopegate.userpools.operations.cognito_idp import refusals

# In the order in which AWS writes them.
ORDER: Final = (
    "Id",
    "Name",
    "Policies",
    "DeletionProtection",
    "LambdaConfig",
    "Status",
    "LastModifiedDate",
    "CreationDate",
    "SchemaAttributes",
    "AutoVerifiedAttributes",
    "AliasAttributes",
    "UsernameAttributes",
    "SmsVerificationMessage",
    "EmailVerificationMessage",
    "EmailVerificationSubject",
    "VerificationMessageTemplate",
    "SmsAuthenticationMessage",
    "UserAttributeUpdateSettings",
    "MfaConfiguration",
    "DeviceConfiguration",
    "EstimatedNumberOfUsers",
    "EmailConfiguration",
    "SmsConfiguration",
    "UserPoolTags",
    "Domain",
    "CustomDomain",
    "AdminCreateUserConfig",
    "UserPoolAddOns",
    "DcrConfiguration",
    "UsernameConfiguration",
    "Arn",
    "AccountRecoverySetting",
    "UserPoolTier",
    "KeyConfiguration",
    "IssuerConfiguration",
    "AcrConfiguration",
)

# Members that stand in the answer as they were sent, or not at all.
_ECHOED: Final = (
    "AutoVerifiedAttributes",
    "SmsAuthenticationMessage",
    "DeviceConfiguration",
    "SmsConfiguration",
    "UserPoolAddOns",
    "DcrConfiguration",
    "KeyConfiguration",
    "IssuerConfiguration",
    "AcrConfiguration",
)

# Recorded from CreateUserPool with nothing but a name, September 2024. `{}` asks for the older way: SMS before e-mail.
_DEFAULT_RECOVERY: Final[Document] = {
    "RecoveryMechanisms": [
        {"Priority": 1, "Name": "verified_email"},
        {"Priority": 2, "Name": "verified_phone_number"},
    ]
}

_PASSWORD_SWITCHES: Final = ("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols")
_DEFAULT_MINIMUM_LENGTH: Final = 8
_DEFAULT_TEMPORARY_DAYS: Final = 7

# The old members beside the template's: AWS shows what one says under both.
_MESSAGES: Final = (
    ("SmsVerificationMessage", "SmsMessage"),
    ("EmailVerificationMessage", "EmailMessage"),
    ("EmailVerificationSubject", "EmailSubject"),
)


def render_settings(request: Shape, before: Document | None = None, *, mfa_has_a_factor: bool = False) -> Document:
    """Members of UserPoolType from a Create or Update request, defaults filled in.

    before: the pool that is updated, None for a new one. mfa_has_a_factor: SetUserPoolMfaConfig gave it a factor
    beside SMS.
    Raises InvalidParameterException, UserPoolTaggingException.
    """
    before = before or {}
    named = before | request
    _check_sms(request, before, mfa_has_a_factor)
    _check_recovery(request)
    _check_keys(request)
    policies = _render_policies(request, before.get("Policies", {}))
    settings: Document = {
        "Policies": policies,
        "DeletionProtection": request.get("DeletionProtection", "INACTIVE"),
        "LambdaConfig": _render_triggers(request.get("LambdaConfig", {})),
        **_render_messages(request),
        "UserAttributeUpdateSettings": {
            "AttributesRequireVerificationBeforeUpdate": [],
            **before.get("UserAttributeUpdateSettings", {}),
            **request.get("UserAttributeUpdateSettings", {}),
        },
        "MfaConfiguration": named.get("MfaConfiguration", "OFF"),
        "EmailConfiguration": {"EmailSendingAccount": "COGNITO_DEFAULT", **request.get("EmailConfiguration", {})},
        "UserPoolTags": _check_tags(named.get("UserPoolTags", {})),
        "AdminCreateUserConfig": _render_admin_creation(request, policies),
        "AccountRecoverySetting": request.get("AccountRecoverySetting", _DEFAULT_RECOVERY),
        "UserPoolTier": named.get("UserPoolTier", "ESSENTIALS"),
        **{member: request[member] for member in _ECHOED if request.get(member) is not None},
    }
    return settings


def find_tag_fault(tags: dict[str, str]) -> str | None:
    """Why a pool cannot have these tags, None when it can."""
    if len(tags) > limit("userpools.tags"):
        return "The user pool has more tags than are allowed."
    if any(key.lower().startswith("aws:") for key in tags):
        return "aws: prefixed tag key names are not allowed for external use."
    return None


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    fault = find_tag_fault(tags)
    if fault is not None:
        raise AwsError("UserPoolTaggingException", fault)
    return tags


def _render_policies(request: Shape, before: Document) -> Document:
    """Both policies; one that the request does not name stays as it was."""
    wanted = request.get("Policies", {})
    password = wanted.get("PasswordPolicy")
    if password is not None:
        rules = {
            "MinimumLength": password.get("MinimumLength", _DEFAULT_MINIMUM_LENGTH),
            **{switch: password.get(switch, False) for switch in _PASSWORD_SWITCHES},
        }
        if password.get("PasswordHistorySize"):
            rules["PasswordHistorySize"] = password["PasswordHistorySize"]
    elif "PasswordPolicy" in before:
        rules = dict(before["PasswordPolicy"])
    else:
        rules = {"MinimumLength": _DEFAULT_MINIMUM_LENGTH, **dict.fromkeys(_PASSWORD_SWITCHES, True)}
    rules["TemporaryPasswordValidityDays"] = (
        _find_temporary_days(request) or rules.get("TemporaryPasswordValidityDays") or _DEFAULT_TEMPORARY_DAYS
    )
    sign_in = {
        "AllowedFirstAuthFactors": ["PASSWORD"],
        **wanted.get("SignInPolicy", before.get("SignInPolicy", {})),
    }
    return {"PasswordPolicy": rules, "SignInPolicy": sign_in}


def _find_temporary_days(request: Shape) -> int | None:
    """How long a temporary password lives; UnusedAccountValidityDays is the old word for it. 0 is the default."""
    days = request.get("Policies", {}).get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
    old_days = request.get("AdminCreateUserConfig", {}).get("UnusedAccountValidityDays")
    if days and old_days and days != old_days:
        raise refusals.invalid(
            "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays"
        )
    return days or old_days or None


def _render_admin_creation(request: Shape, policies: Document) -> Document:
    wanted = request.get("AdminCreateUserConfig", {})
    return {
        "AllowAdminCreateUserOnly": wanted.get("AllowAdminCreateUserOnly", False),
        "UnusedAccountValidityDays": policies["PasswordPolicy"]["TemporaryPasswordValidityDays"],
        **({"InviteMessageTemplate": wanted["InviteMessageTemplate"]} if wanted.get("InviteMessageTemplate") else {}),
    }


def _render_messages(request: Shape) -> Document:
    template = dict(request.get("VerificationMessageTemplate", {}))
    members: Document = {}
    for old, new in _MESSAGES:
        text = template.get(new, request.get(old))
        if text is not None:
            members[old] = template[new] = text
    template.setdefault("DefaultEmailOption", "CONFIRM_WITH_CODE")
    return members | {"VerificationMessageTemplate": template}


def _render_triggers(wanted: Shape) -> Document:
    """LambdaConfig. The pre-token function stands under both its names, whichever was sent."""
    triggers = {name: value for name, value in wanted.items() if value}
    arn, versioned = triggers.get("PreTokenGeneration"), triggers.get("PreTokenGenerationConfig")
    if versioned is not None:
        if arn is not None and arn != versioned["LambdaArn"]:
            raise refusals.invalid(
                "PreTokenGeneration and PreTokenGenerationConfig must have the same Lambda function ARN."
            )
        triggers["PreTokenGeneration"] = versioned["LambdaArn"]
    elif arn is not None:
        triggers["PreTokenGenerationConfig"] = {"LambdaVersion": "V1_0", "LambdaArn": arn}
    if ("CustomSMSSender" in triggers or "CustomEmailSender" in triggers) and "KMSKeyID" not in triggers:
        raise refusals.invalid("KMSKeyID is required when CustomSMSSender or CustomEmailSender is configured.")
    return triggers


def _check_sms(request: Shape, before: Document, mfa_has_a_factor: bool) -> None:
    if request.get("SmsConfiguration"):
        return
    factors = request.get("Policies", {}).get("SignInPolicy", {}).get("AllowedFirstAuthFactors", ())
    if "SMS_OTP" in factors and "SmsConfiguration" not in before:
        raise refusals.invalid(
            "SMS_OTP can not be configured as AuthFactor as user pool is missing valid SMS configuration"
        )
    if "phone_number" in request.get("AutoVerifiedAttributes", ()):
        raise refusals.invalid("SMS configuration is required when phone_number is selected for auto verification")
    if request.get("MfaConfiguration", "OFF") != "OFF" and not mfa_has_a_factor:
        raise refusals.invalid(
            "SMS configuration and Auto verification for phone_number are required when MFA is required/optional"
        )


def _check_recovery(request: Shape) -> None:
    mechanisms = request.get("AccountRecoverySetting", {}).get("RecoveryMechanisms", ())
    names = [mechanism["Name"] for mechanism in mechanisms]
    if len(names) > 1 and "admin_only" in names:
        raise refusals.invalid(
            "Account Recovery Setting cannot use admin_only setting with any other recovery mechanisms."
        )
    if len(set(names)) < len(names) or len({mechanism["Priority"] for mechanism in mechanisms}) < len(names):
        raise refusals.invalid("Account Recovery Setting needs a name and a priority of its own for each mechanism.")


def _check_keys(request: Shape) -> None:
    keys = request.get("KeyConfiguration", {})
    if keys.get("KeyType") == "CUSTOMER_MANAGED_KEY" and not keys.get("KmsKeyArn"):
        raise refusals.invalid("KmsKeyArn is required when KeyType is CUSTOMER_MANAGED_KEY.")
