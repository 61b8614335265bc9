"""What CreateUserPoolClient and UpdateUserPoolClient may set, as DescribeUserPoolClient shows it.

Both operations describe the whole: a member that is left out gets its default, also on an update. Defaults that AWS
does not show are not stored: AccessTokenValidity and IdTokenValidity (an hour, whatever the unit), ExplicitAuthFlows
(refresh, SRP, custom), ReadAttributes and WriteAttributes (the standard ones), PreventUserExistenceErrors (LEGACY).
Source: reference, "App clients"; the model's texts of the members.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.base.names import find_arn
from scopegate.store.documents import Document
from scopegate.userpools.model import STANDARD_SCOPES
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.schema import attribute_names

# In the order in which AWS writes them.
ORDER: Final = (
    "UserPoolId",
    "ClientName",
    "ClientId",
    "ClientSecret",
    "LastModifiedDate",
    "CreationDate",
    "RefreshTokenValidity",
    "AccessTokenValidity",
    "IdTokenValidity",
    "TokenValidityUnits",
    "ReadAttributes",
    "WriteAttributes",
    "ExplicitAuthFlows",
    "SupportedIdentityProviders",
    "CallbackURLs",
    "LogoutURLs",
    "DefaultRedirectURI",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
    "AllowedOAuthFlowsUserPoolClient",
    "AnalyticsConfiguration",
    "PreventUserExistenceErrors",
    "EnableTokenRevocation",
    "EnablePropagateAdditionalUserContextData",
    "AuthSessionValidity",
    "RefreshTokenRotation",
)

# Lists of distinct names; an empty one is as good as none.
_LISTS: Final = (
    "ReadAttributes",
    "WriteAttributes",
    "ExplicitAuthFlows",
    "SupportedIdentityProviders",
    "CallbackURLs",
    "LogoutURLs",
    "AllowedOAuthFlows",
    "AllowedOAuthScopes",
)
_ECHOED: Final = (
    "DefaultRedirectURI",
    "PreventUserExistenceErrors",
    "RefreshTokenRotation",
)

CLIENT_TOKEN_FLOW: Final = "ALLOW_CLIENT_TOKEN_AUTH"  # noqa: S105 - the flow of GetClientToken
_REFRESH_FLOW: Final = "ALLOW_REFRESH_TOKEN_AUTH"

_UNIT_S: Final[Mapping[str, int]] = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
_DEFAULT_REFRESH_S: Final = 30 * 86_400
_DEFAULT_SHORT_S: Final = 3_600
_DEFAULT_SESSION_MINUTES: Final = 3

# No user writes these, so no client may.
_UNWRITABLE: Final = frozenset({"sub", "email_verified", "phone_number_verified", "identities"})

_LINKED_ROLE: Final = "aws-service-role/cognito-idp.amazonaws.com/AWSServiceRoleForAmazonCognitoIdp"
_BUILT_IN_PROVIDER: Final = "COGNITO"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLAIN_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
_SCRIPT_SCHEMES: Final = ("javascript", "vbscript", "data")  # a browser that is sent there runs what stands in them


def render_client_settings(
    request: Shape, pool: Document, pool_scopes: frozenset[str], *, has_secret: bool
) -> Document:
    """Members of UserPoolClientType from a Create or Update request, defaults filled in.

    pool_scopes: "identifier/name" of every scope of the pool's resource servers.
    Raises InvalidParameterException, InvalidOAuthFlowException, ScopeDoesNotExistException.
    """
    lists = {member: list(dict.fromkeys(request.get(member) or ())) for member in _LISTS}
    _check_auth_flows(lists["ExplicitAuthFlows"], request, has_secret=has_secret)
    _check_oauth(lists, request, has_secret=has_secret)
    _check_scopes(lists["AllowedOAuthScopes"], pool_scopes)
    _check_urls(lists, request)
    _check_attributes(lists, pool)
    _check_providers(lists["SupportedIdentityProviders"], pool["Id"])
    analytics = _render_analytics(request.get("AnalyticsConfiguration"), pool)
    if request.get("EnablePropagateAdditionalUserContextData") and not has_secret:
        raise refusals.invalid(
            "EnablePropagateAdditionalUserContextData can only be activated for a client that has a client secret."
        )
    settings: Document = {
        **_render_validity(request),
        **{member: value for member, value in lists.items() if value},
        **{member: request[member] for member in _ECHOED if request.get(member)},
        **({"AnalyticsConfiguration": analytics} if analytics else {}),
        "AllowedOAuthFlowsUserPoolClient": request.get("AllowedOAuthFlowsUserPoolClient", False),
        "EnableTokenRevocation": request.get("EnableTokenRevocation", True),
        "EnablePropagateAdditionalUserContextData": request.get("EnablePropagateAdditionalUserContextData", False),
        "AuthSessionValidity": request.get("AuthSessionValidity", _DEFAULT_SESSION_MINUTES),
    }
    return {member: settings[member] for member in ORDER if member in settings}


def _render_validity(request: Shape) -> Document:
    """The lifetimes as they are shown. Raises InvalidParameterException when one is out of Cognito's range."""
    units = request.get("TokenValidityUnits") or {}
    refresh_unit = _UNIT_S[units.get("RefreshToken", "days")]
    refresh = request.get("RefreshTokenValidity") or _DEFAULT_REFRESH_S // refresh_unit
    shown: Document = {"RefreshTokenValidity": refresh}
    refresh_s = refresh * refresh_unit
    if not limit("userpools.refresh_token_least_s") <= refresh_s <= limit("userpools.refresh_token_most_s"):
        raise refusals.invalid("Invalid range for token validity.")
    longest_s = min(limit("userpools.access_token_most_s"), refresh_s)
    for member, unit in (("AccessTokenValidity", "AccessToken"), ("IdTokenValidity", "IdToken")):
        value = request.get(member)
        lifetime_s = _DEFAULT_SHORT_S if value is None else value * _UNIT_S[units.get(unit, "hours")]
        if not limit("userpools.access_token_least_s") <= lifetime_s <= longest_s:
            raise refusals.invalid("Invalid range for token validity.")
        if value is not None:
            shown[member] = value
    return shown | {"TokenValidityUnits": units}


def _check_auth_flows(flows: Sequence[str], request: Shape, *, has_secret: bool) -> None:
    if len({flow.startswith("ALLOW_") for flow in flows}) > 1:
        raise refusals.invalid(
            "ExplicitAuthFlows cannot have values with the prefix ALLOW_ together with values without it."
        )
    if CLIENT_TOKEN_FLOW in flows:
        if len(flows) > 1:
            raise refusals.invalid(f"{CLIENT_TOKEN_FLOW} can not be combined with other ExplicitAuthFlows.")
        if not has_secret:
            raise refusals.invalid(f"{CLIENT_TOKEN_FLOW} can not be selected if client does not have a client secret.")
    rotation = request.get("RefreshTokenRotation") or {}
    if rotation.get("Feature") == "ENABLED" and _REFRESH_FLOW in flows:
        raise refusals.invalid(f"{_REFRESH_FLOW} can not be enabled when refresh token rotation is enabled.")


def _check_oauth(lists: Mapping[str, list[str]], request: Shape, *, has_secret: bool) -> None:
    flows, scopes = lists["AllowedOAuthFlows"], lists["AllowedOAuthScopes"]
    if "client_credentials" in flows:
        if len(flows) > 1:
            raise refusals.invalid_flow(
                "client_credentials flow can not be selected along with code flow or implicit flow."
            )
        if not has_secret:
            raise refusals.invalid_flow(
                "client_credentials flow can not be selected if client does not have a client secret."
            )
        for scope in scopes:
            if scope in STANDARD_SCOPES:
                raise refusals.invalid_flow(f"{scope} is not supported with client_credentials flow")
    if not request.get("AllowedOAuthFlowsUserPoolClient"):
        return
    by_client_token = lists["ExplicitAuthFlows"] == [CLIENT_TOKEN_FLOW]
    if not scopes or not (flows or by_client_token):
        raise refusals.invalid(
            "AllowedOAuthFlows and AllowedOAuthScopes are required if user pool client is allowed to use OAuth flows."
        )
    if ("code" in flows or "implicit" in flows) and not lists["CallbackURLs"]:
        raise refusals.invalid_flow("CallbackUrls can not be empty when code flow or implicit flow is selected")


def _check_scopes(scopes: Sequence[str], pool_scopes: frozenset[str]) -> None:
    for scope in scopes:
        if scope not in STANDARD_SCOPES and scope not in pool_scopes:
            raise refusals.unknown_scope(scope)


def _check_urls(lists: Mapping[str, list[str]], request: Shape) -> None:
    for url in (*lists["CallbackURLs"], *lists["LogoutURLs"]):
        _check_url(url)
    default = request.get("DefaultRedirectURI")
    if default and default not in lists["CallbackURLs"]:
        raise refusals.invalid("DefaultRedirectURI must be one of the CallbackURLs.")


def _check_url(url: str) -> None:
    """Absolute, without a fragment, and plain HTTP only to this machine; schemes of apps (`app://…`) are fine."""
    if not _SCHEME.match(url):
        raise refusals.invalid(f"{url} is not an absolute URL.")
    if "#" in url:
        raise refusals.invalid(f"{url} cannot contain a fragment.")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise refusals.invalid(f"{url} is not a valid URL.") from None
    if parts.scheme in _SCRIPT_SCHEMES or (parts.scheme in ("http", "https") and not host):
        raise refusals.invalid(f"{url} is not a valid URL.")
    if parts.scheme == "http" and host not in _PLAIN_HOSTS:
        raise refusals.invalid(f"{url} cannot use the HTTP protocol.")


def _check_attributes(lists: Mapping[str, list[str]], pool: Document) -> None:
    known = attribute_names(pool)
    if not known.issuperset(lists["ReadAttributes"]):
        raise refusals.invalid("Invalid read attributes specified while creating a client")
    if not (known - _UNWRITABLE).issuperset(lists["WriteAttributes"]):
        raise refusals.invalid("Invalid write attributes specified while creating a client")


def _check_providers(providers: Sequence[str], pool_id: str) -> None:
    for provider in providers:
        if provider != _BUILT_IN_PROVIDER:
            raise refusals.invalid(f"The provider {provider} does not exist for User Pool {pool_id}.")


def _render_analytics(analytics: Shape | None, pool: Document) -> Shape | None:
    """As AWS shows it: an application by its ARN alone is written to under the service's own role in the account.

    That role may be sent back with the ARN. Raises InvalidParameterException.
    """
    if not analytics:
        return None
    parts = {name: analytics[name] for name in ("ApplicationId", "RoleArn", "ExternalId") if analytics.get(name)}
    if analytics.get("ApplicationArn"):
        arn = find_arn(pool["Arn"])
        assert arn is not None
        linked = {"RoleArn": f"arn:{arn.partition}:iam::{arn.account}:role/{_LINKED_ROLE}"}
        if parts in ({}, linked):
            return analytics | linked
    elif len(parts) == 3:
        return analytics
    raise refusals.invalid(
        "Invalid analytics configuration given, either <application arn> or "
        "<application id, role arn, external id> are valid"
    )
