"""`AWS::Cognito::*`. Source: reference, cognito page, sections 7 to 9."""

from typing import Any, Final

from scopegate.base import names
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import Aws, Properties, ResourceType, change_tags, tags_of, without, words

_IDP: Final = "cognito-idp"
_CREATE_ONLY: Final = ("Schema", "AliasAttributes", "UsernameAttributes", "UsernameConfiguration")
# What SetUserPoolMfaConfig takes, not Create- and UpdateUserPool.
_PASSKEYS: Final = {
    "WebAuthnFactorConfiguration": "FactorConfiguration",
    "WebAuthnRelyingPartyID": "RelyingPartyId",
    "WebAuthnUserVerification": "UserVerification",
}
_FACTORS: Final = ("EnabledMfas", *_PASSKEYS)


async def _create_user_pool(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = _pool_request(properties)
    request.setdefault("PoolName", aws.generated_name(logical_id, 128))
    physical = await aws.make(_IDP, "CreateUserPool", request, lambda answer: _user_pool(aws, answer["UserPool"]["Id"]))
    await _set_factors(aws, physical.physical_id, properties)
    return physical


def _pool_request(properties: Properties) -> Properties:
    request = without(properties, "UserPoolName", *_FACTORS)
    if "UserPoolName" in properties:
        request["PoolName"] = properties["UserPoolName"]
    if "UserPoolTags" in request:
        request["UserPoolTags"] = tags_of(request["UserPoolTags"])
    if any(member in properties for member in _FACTORS):
        request.pop("MfaConfiguration", None)
    return request


async def _set_factors(aws: Aws, pool_id: str, properties: Properties) -> None:
    if not any(member in properties for member in _FACTORS):
        return
    enabled = properties.get("EnabledMfas") or []
    request: Properties = {"UserPoolId": pool_id, "MfaConfiguration": properties.get("MfaConfiguration", "OFF")}
    if "SOFTWARE_TOKEN_MFA" in enabled:
        request["SoftwareTokenMfaConfiguration"] = {"Enabled": True}
    if "SMS_MFA" in enabled:
        request["SmsMfaConfiguration"] = {
            name: properties[name] for name in ("SmsAuthenticationMessage", "SmsConfiguration") if name in properties
        }
    if "EMAIL_OTP" in enabled:
        names_of = (("EmailAuthenticationMessage", "Message"), ("EmailAuthenticationSubject", "Subject"))
        request["EmailMfaConfiguration"] = {to: properties[name] for name, to in names_of if name in properties}
    if passkeys := {to: properties[name] for name, to in _PASSKEYS.items() if name in properties}:
        request["WebAuthnConfiguration"] = passkeys
    await aws.call(_IDP, "SetUserPoolMfaConfig", request)


def _user_pool(aws: Aws, pool_id: str) -> Physical:
    provider = names.amazon_issuer(aws.region, pool_id)
    return Physical(
        pool_id,
        {
            "Arn": names.user_pool_arn(aws.region, aws.account, pool_id),
            "ProviderName": provider.removeprefix("https://"),
            "ProviderURL": provider,
            "UserPoolId": pool_id,
        },
    )


async def _update_user_pool(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    pool_id = physical.physical_id
    request = {"UserPoolId": pool_id, **without(_pool_request(new), "UserPoolTags", *_CREATE_ONLY)}
    await aws.call(_IDP, "UpdateUserPool", request)
    arn = ("ResourceArn", names.user_pool_arn(aws.region, aws.account, pool_id))
    await change_tags(aws, _IDP, arn, ("Tags", "TagKeys"), old.get("UserPoolTags"), new.get("UserPoolTags"))
    known = {attribute.get("Name") for attribute in old.get("Schema") or []}
    added = [attribute for attribute in new.get("Schema") or [] if attribute.get("Name") not in known]
    if added:
        await aws.call(_IDP, "AddCustomAttributes", {"UserPoolId": pool_id, "CustomAttributes": added})
    await _set_factors(aws, pool_id, new)
    return physical


async def _delete_user_pool(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_IDP, "DeleteUserPool", {"UserPoolId": physical.physical_id})


async def _create_domain(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    return await aws.make(
        _IDP,
        "CreateUserPoolDomain",
        properties,
        lambda answer: Physical(properties["Domain"], {"CloudFrontDistribution": answer.get("CloudFrontDomain", "")}),
    )


async def _update_domain(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call(_IDP, "UpdateUserPoolDomain", new)
    return physical


async def _delete_domain(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"Domain": physical.physical_id, "UserPoolId": properties["UserPoolId"]}
    await aws.call(_IDP, "DeleteUserPoolDomain", request)


async def _create_client(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {"ClientName": aws.generated_name(logical_id, 128), **properties}

    def physical(answer: Any) -> Physical:
        client = answer["UserPoolClient"]
        attributes = {"ClientId": client["ClientId"], "Name": client["ClientName"]}
        if "ClientSecret" in client:
            attributes["ClientSecret"] = client["ClientSecret"]
        return Physical(client["ClientId"], attributes)

    return await aws.make(_IDP, "CreateUserPoolClient", request, physical)


async def _update_client(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    request = {"ClientId": physical.physical_id, **without(new, "GenerateSecret")}
    request.setdefault("ClientName", physical.attributes["Name"])
    await aws.call(_IDP, "UpdateUserPoolClient", request)
    return Physical(physical.physical_id, {**physical.attributes, "Name": request["ClientName"]})


async def _delete_client(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "ClientId": physical.physical_id}
    await aws.call(_IDP, "DeleteUserPoolClient", request)


async def _create_resource_server(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    return await aws.make(_IDP, "CreateResourceServer", properties, lambda _: Physical(properties["Identifier"], {}))


async def _update_resource_server(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    await aws.call(_IDP, "UpdateResourceServer", {"Scopes": [], **new})
    return physical


async def _delete_resource_server(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "Identifier": physical.physical_id}
    await aws.call(_IDP, "DeleteResourceServer", request)


# Users and groups


async def _create_user(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    """`Ref` is the name that the pool knows the user by: a `sub` where people sign in by e-mail or telephone."""
    request = {"Username": aws.generated_name(logical_id, 128), **properties}
    return await aws.make(_IDP, "AdminCreateUser", request, lambda answer: Physical(answer["User"]["Username"], {}))


async def _delete_user(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "Username": physical.physical_id}
    await aws.call(_IDP, "AdminDeleteUser", request)


async def _create_group(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    request = {"GroupName": aws.generated_name(logical_id, 128), **properties}
    return await aws.make(_IDP, "CreateGroup", request, lambda answer: Physical(answer["Group"]["GroupName"], {}))


async def _update_group(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    """As on AWS, a role or a precedence stays when it is no longer said."""
    await aws.call(_IDP, "UpdateGroup", {"Description": "", **new, "GroupName": physical.physical_id})
    return physical


async def _delete_group(aws: Aws, physical: Physical, properties: Properties) -> None:
    request = {"UserPoolId": properties["UserPoolId"], "GroupName": physical.physical_id}
    await aws.call(_IDP, "DeleteGroup", request)


async def _create_membership(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    physical = Physical(aws.generated_name(logical_id, 128), {})
    return await aws.make(_IDP, "AdminAddUserToGroup", properties, lambda _: physical)


async def _delete_membership(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_IDP, "AdminRemoveUserFromGroup", properties)


async def _customize(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    physical = Physical("UserPoolUICustomizationAttachment-{UserPoolId}-{ClientId}".format_map(properties), {})
    return await aws.make(_IDP, "SetUICustomization", properties, lambda _: physical)


async def _customize_anew(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    return await _customize(aws, "", new)


async def _customize_no_more(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(_IDP, "SetUICustomization", without(properties, "CSS"))


# A user, or a pool, that is gone has taken what hung on it along.
_GONE: Final = frozenset({"ResourceNotFoundException", "UserNotFoundException"})

TYPES: Final = {
    "AWS::Cognito::UserPool": ResourceType(
        _create_user_pool,
        _delete_user_pool,
        _update_user_pool,
        properties=words(
            "AccountRecoverySetting AdminCreateUserConfig AliasAttributes AutoVerifiedAttributes DeletionProtection "
            "DeviceConfiguration EmailAuthenticationMessage EmailAuthenticationSubject EmailConfiguration "
            "EmailVerificationMessage EmailVerificationSubject EnabledMfas IssuerConfiguration KeyConfiguration "
            "LambdaConfig MfaConfiguration Policies "
            "Schema SmsAuthenticationMessage SmsConfiguration SmsVerificationMessage UserAttributeUpdateSettings "
            "UserPoolAddOns UserPoolName UserPoolTags UserPoolTier UsernameAttributes UsernameConfiguration "
            "VerificationMessageTemplate WebAuthnFactorConfiguration WebAuthnRelyingPartyID WebAuthnUserVerification"
        ),
        attributes=words("Arn ProviderName ProviderURL UserPoolId"),
        read_only=words("Arn ProviderName ProviderURL UserPoolId"),
        replaces=words("AliasAttributes UsernameAttributes UsernameConfiguration"),
        ref="the id of the pool",
        stored=words("KeyConfiguration UserPoolAddOns UserPoolTier"),
        operations=words(
            "AddCustomAttributes CreateUserPool DeleteUserPool SetUserPoolMfaConfig TagResource UntagResource "
            "UpdateUserPool"
        ),
    ),
    "AWS::Cognito::UserPoolClient": ResourceType(
        _create_client,
        _delete_client,
        _update_client,
        properties=words(
            "AccessTokenValidity AllowedOAuthFlows AllowedOAuthFlowsUserPoolClient AllowedOAuthScopes "
            "AnalyticsConfiguration AuthSessionValidity CallbackURLs ClientName DefaultRedirectURI "
            "EnablePropagateAdditionalUserContextData EnableTokenRevocation ExplicitAuthFlows GenerateSecret "
            "IdTokenValidity LogoutURLs PreventUserExistenceErrors ReadAttributes RefreshTokenRotation "
            "RefreshTokenValidity SupportedIdentityProviders TokenValidityUnits UserPoolId WriteAttributes"
        ),
        required=("UserPoolId",),
        attributes=words("ClientId ClientSecret Name"),
        read_only=words("ClientId ClientSecret Name"),
        replaces=words("GenerateSecret UserPoolId"),
        ref="the client id",
        stored=words("AnalyticsConfiguration"),
        operations=words("CreateUserPoolClient DeleteUserPoolClient UpdateUserPoolClient"),
    ),
    "AWS::Cognito::UserPoolDomain": ResourceType(
        _create_domain,
        _delete_domain,
        _update_domain,
        properties=words("CustomDomainConfig Domain ManagedLoginVersion Routing UserPoolId"),
        required=("Domain", "UserPoolId"),
        attributes=words("CloudFrontDistribution"),
        read_only=words("CloudFrontDistribution"),
        replaces=words("Domain UserPoolId"),
        # A pool has one prefix domain: the new one has no place beside the old.
        one_at_a_time=True,
        missing=frozenset({"ResourceNotFoundException", "InvalidParameterException"}),
        ref="the domain",
        stored=words("CustomDomainConfig Routing"),
        operations=words("CreateUserPoolDomain DeleteUserPoolDomain UpdateUserPoolDomain"),
    ),
    "AWS::Cognito::UserPoolGroup": ResourceType(
        _create_group,
        _delete_group,
        _update_group,
        properties=words("Description GroupName Precedence RoleArn UserPoolId"),
        required=("UserPoolId",),
        replaces=words("GroupName UserPoolId"),
        ref="the name of the group",
        operations=words("CreateGroup DeleteGroup UpdateGroup"),
    ),
    "AWS::Cognito::UserPoolResourceServer": ResourceType(
        _create_resource_server,
        _delete_resource_server,
        _update_resource_server,
        properties=words("Identifier Name Scopes UserPoolId"),
        required=("Identifier", "Name", "UserPoolId"),
        replaces=words("Identifier UserPoolId"),
        ref="the identifier",
        operations=words("CreateResourceServer DeleteResourceServer UpdateResourceServer"),
    ),
    "AWS::Cognito::UserPoolUICustomizationAttachment": ResourceType(
        _customize,
        _customize_no_more,
        _customize_anew,
        properties=words("CSS ClientId UserPoolId"),
        required=("ClientId", "UserPoolId"),
        replaces=words("ClientId UserPoolId"),
        ref="an id of its own",
        operations=words("SetUICustomization"),
    ),
    "AWS::Cognito::UserPoolUser": ResourceType(
        _create_user,
        _delete_user,
        properties=words(
            "ClientMetadata DesiredDeliveryMediums ForceAliasCreation MessageAction UserAttributes UserPoolId Username "
            "ValidationData"
        ),
        required=("UserPoolId",),
        # Its name is taken until it is gone.
        one_at_a_time=True,
        missing=_GONE,
        ref="the name of the user; a `sub` in pools whose users sign in by e-mail or telephone number",
        operations=words("AdminCreateUser AdminDeleteUser"),
    ),
    "AWS::Cognito::UserPoolUserToGroupAttachment": ResourceType(
        _create_membership,
        _delete_membership,
        properties=words("GroupName UserPoolId Username"),
        required=("GroupName", "UserPoolId", "Username"),
        one_at_a_time=True,
        missing=_GONE,
        ref="an id of its own",
        operations=words("AdminAddUserToGroup AdminRemoveUserFromGroup"),
    ),
}
