"""One HTTP API, and short ways to furnish it; the client is that of the REST operations, with the other service."""

from typing import Any, Final

from scopegate.gateway.operations import apigatewayv2
from tests.rooms.apigateway.driver import ACCOUNT, REGION, Client, Service

HTTP: Final = Service("apigatewayv2", apigatewayv2)
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"
FUNCTION_URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{REGION}_Abc123xyz"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/gateway"


def http_client(**more: Any) -> Client:
    return Client(service=HTTP, **more)


class HttpApi:
    def __init__(self, client: Client, **members: Any) -> None:
        self.client = client
        self.id = str(client.create_api(Name="orders", ProtocolType="HTTP", **members)["ApiId"])

    def integration(self, **members: Any) -> str:
        """To a web service, unless told otherwise."""
        wanted = {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "ANY",
            "IntegrationUri": "https://example.org/x",
            "PayloadFormatVersion": "1.0",
            **members,
        }
        return str(self.client.create_integration(ApiId=self.id, **wanted)["IntegrationId"])

    def route(self, key: str = "GET /orders", **members: Any) -> str:
        return str(self.client.create_route(ApiId=self.id, RouteKey=key, **members)["RouteId"])

    def served(self, key: str = "GET /orders", **members: Any) -> str:
        """A route with an integration of its own."""
        return self.route(key, Target=f"integrations/{self.integration()}", **members)

    def authorizer(self, **members: Any) -> str:
        wanted = {
            "Name": "jwt",
            "AuthorizerType": "JWT",
            "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": {"Issuer": ISSUER, "Audience": ["client"]},
            **members,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        return str(self.client.create_authorizer(ApiId=self.id, **given)["AuthorizerId"])

    def stage(self, name: str = "$default", **members: Any) -> Any:
        return self.client.create_stage(ApiId=self.id, StageName=name, **members)

    def get_stage(self, name: str = "$default") -> Any:
        return self.client.get_stage(ApiId=self.id, StageName=name)

    def deployments(self) -> Any:
        return self.client.get_deployments(ApiId=self.id)["Items"]
