"""Which package holds the operations of which AWS service. Adding a service is adding its line."""

from collections.abc import Mapping
from types import ModuleType
from typing import Final

from scopegate.account.operations import iam, sts
from scopegate.functions.operations import lambda_
from scopegate.gateway.operations import apigateway, apigatewayv2
from scopegate.userpools.operations import cognito_idp

PACKAGES: Final[Mapping[str, ModuleType]] = {
    "apigateway": apigateway,
    "apigatewayv2": apigatewayv2,
    "cognito-idp": cognito_idp,
    "iam": iam,
    "lambda": lambda_,
    "sts": sts,
}
