"""Recorded types of our own services: what is not built, and closes what hangs on it.

A domain name that is recorded is answered by nothing; an API that is reached by it alone is reached by nobody.
"""

from collections.abc import Mapping
from typing import Final

from scopegate.stacks.types.recorded.row import Recorded, arn, global_arn

_DOMAIN: Final = "no API answers under this name, each does under its own URLs"
_LOOKS: Final = "pages look as they always do"
_GROUP: Final = "it has no members"


def _domain_arn(resource: str) -> str:
    return f"arn:{{partition}}:apigateway:{{region}}::{resource}"


ROWS: Final[Mapping[str, Recorded]] = {
    "AWS::ApiGateway::BasePathMapping": Recorded(
        "{DomainName}|[{BasePath}]", replaces="BasePath DomainName", says="no API answers under its domain name"
    ),
    "AWS::ApiGateway::BasePathMappingV2": Recorded(
        "{DomainNameArn}/basepathmappings/[{BasePath}]",
        {"BasePathMappingArn": "{DomainNameArn}/basepathmappings/[{BasePath}]"},
        replaces="BasePath DomainNameArn",
        says="no API answers under its domain name",
    ),
    "AWS::ApiGateway::ClientCertificate": Recorded(
        "{id}", {"ClientCertificateId": "{id}"}, id="{lower:6}", says="no web service is shown it"
    ),
    "AWS::ApiGateway::DomainName": Recorded(
        "{DomainName}",
        {
            "DistributionDomainName": "d{id}.cloudfront.net",
            "DistributionHostedZoneId": "Z2FDTNDATAQYW2",
            "DomainNameArn": _domain_arn("/domainnames/{DomainName}"),
            "RegionalDomainName": "d-{id}.execute-api.{region}.{suffix}",
            "RegionalHostedZoneId": "Z1UJRXOUMOOFQ8",
        },
        id="{lower:10}",
        replaces="DomainName",
        says=_DOMAIN,
    ),
    "AWS::ApiGateway::DomainNameAccessAssociation": Recorded(
        _domain_arn("/domainnameaccessassociations/{id}"),
        {"DomainNameAccessAssociationArn": _domain_arn("/domainnameaccessassociations/{id}")},
        id="{lower:10}",
        replaces="AccessAssociationSource AccessAssociationSourceType DomainNameArn",
        says="no API answers under its domain name",
    ),
    "AWS::ApiGateway::DomainNameV2": Recorded(
        _domain_arn("/domainnames/{DomainName}+{id}"),
        {"DomainNameArn": _domain_arn("/domainnames/{DomainName}+{id}"), "DomainNameId": "{id}"},
        id="{lower:10}",
        replaces="DomainName EndpointConfiguration SecurityPolicy",
        says=_DOMAIN,
    ),
    "AWS::ApiGateway::VpcLink": Recorded(
        "{id}", {"VpcLinkId": "{id}"}, id="{lower:6}", replaces="TargetArns", says="routes through it are closed"
    ),
    "AWS::ApiGatewayV2::ApiMapping": Recorded(
        "{id}",
        {"ApiMappingId": "{id}"},
        id="{lower:6}",
        replaces="DomainName",
        says="no API answers under its domain name",
    ),
    "AWS::ApiGatewayV2::DomainName": Recorded(
        "{DomainName}",
        {
            "DomainNameArn": _domain_arn("/domainnames/{DomainName}"),
            "RegionalDomainName": "d-{id}.execute-api.{region}.{suffix}",
            "RegionalHostedZoneId": "Z1UJRXOUMOOFQ8",
        },
        id="{lower:10}",
        replaces="DomainName",
        says=_DOMAIN,
    ),
    "AWS::ApiGatewayV2::VpcLink": Recorded(
        "{id}",
        {"VpcLinkId": "{id}"},
        id="{lower:6}",
        replaces="SecurityGroupIds SubnetIds",
        says="routes through it are closed",
    ),
    "AWS::Cognito::IdentityPool": Recorded(
        "{region}:{id}",
        {"Id": "{region}:{id}", "Name": "{name}"},
        name="IdentityPoolName",
        longest=128,
        id="{uuid}",
        says="it gives nobody credentials",
    ),
    "AWS::Cognito::IdentityPoolPrincipalTag": Recorded(
        "{IdentityPoolId}|{IdentityProviderName}", replaces="IdentityPoolId IdentityProviderName"
    ),
    "AWS::Cognito::IdentityPoolRoleAttachment": Recorded(
        "{IdentityPoolId}:IdentityPoolRoleAttachment",
        {"Id": "{IdentityPoolId}:IdentityPoolRoleAttachment"},
        replaces="IdentityPoolId",
    ),
    "AWS::Cognito::ManagedLoginBranding": Recorded(
        "{UserPoolId}|{id}",
        {"ManagedLoginBrandingId": "{id}"},
        id="{uuid}",
        replaces="ClientId UserPoolId",
        says=_LOOKS,
    ),
    "AWS::Cognito::LogDeliveryConfiguration": Recorded(
        "{UserPoolId}-LogDeliveryConfiguration",
        {"Id": "{UserPoolId}-LogDeliveryConfiguration"},
        replaces="UserPoolId",
        says="no log is delivered",
    ),
    "AWS::IAM::Group": Recorded(
        attributes={"Arn": global_arn("iam", "group{Path|/}{name}")}, name="GroupName", longest=128, says=_GROUP
    ),
    "AWS::IAM::GroupPolicy": Recorded("{PolicyName}|{GroupName}", replaces="GroupName PolicyName", says=_GROUP),
    "AWS::IAM::InstanceProfile": Recorded(
        attributes={"Arn": global_arn("iam", "instance-profile{Path|/}{name}")},
        name="InstanceProfileName",
        longest=128,
        replaces="Path",
    ),
    "AWS::IAM::OIDCProvider": Recorded(
        global_arn("iam", "oidc-provider/{Url}"), {"Arn": global_arn("iam", "oidc-provider/{Url}")}, replaces="Url"
    ),
    "AWS::IAM::SAMLProvider": Recorded(
        global_arn("iam", "saml-provider/{name}"),
        {"Arn": global_arn("iam", "saml-provider/{name}"), "SamlProviderUUID": "{id}"},
        name="Name",
        longest=128,
        id="{upper:20}",
    ),
    "AWS::IAM::ServiceLinkedRole": Recorded(
        "AWSServiceRoleFor_{AWSServiceName}[_{CustomSuffix}]",
        {"RoleName": "AWSServiceRoleFor_{AWSServiceName}[_{CustomSuffix}]"},
        replaces="AWSServiceName CustomSuffix",
    ),
    "AWS::Lambda::EventSourceMapping": Recorded(
        "{id}",
        {"EventSourceMappingArn": arn("lambda", "event-source-mapping:{id}"), "Id": "{id}"},
        id="{uuid}",
        replaces="EventSourceArn SelfManagedEventSource StartingPosition StartingPositionTimestamp",
        says="no event source is polled",
    ),
}
