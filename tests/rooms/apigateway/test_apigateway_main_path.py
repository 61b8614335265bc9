"""The main path: an API from nothing to a deployed stage, and what a deployment freezes."""

from tests.rooms.apigateway.driver import FUNCTION_URI, POOL_ARN, Api, Client


def test_an_api_is_made_secured_and_deployed(client: Client) -> None:
    """Reference 1.4: every answer has the members that AWS fills in, and none that it lacks."""
    created = client.create_rest_api(name="orders")
    api_id, root = created["id"], created["rootResourceId"]
    assert created == {
        "id": api_id,
        "name": "orders",
        "createdDate": 1_700_000_000,
        "apiKeySource": "HEADER",
        "endpointConfiguration": {"types": ["EDGE"], "ipAddressType": "ipv4"},
        "disableExecuteApiEndpoint": False,
        "rootResourceId": root,
        "apiStatus": "AVAILABLE",
        "securityPolicy": "TLS_1_0",
    }

    resource = client.create_resource(restApiId=api_id, parentId=root, pathPart="orders")
    assert resource == {"id": resource["id"], "parentId": root, "pathPart": "orders", "path": "/orders"}

    authorizer = client.create_authorizer(
        restApiId=api_id,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[POOL_ARN],
        identitySource="method.request.header.Authorization",
    )
    assert authorizer == {
        "id": authorizer["id"],
        "name": "pool",
        "type": "COGNITO_USER_POOLS",
        "authType": "cognito_user_pools",
        "providerARNs": [POOL_ARN],
        "identitySource": "method.request.header.Authorization",
    }

    where = {"restApiId": api_id, "resourceId": resource["id"], "httpMethod": "GET"}
    method = client.put_method(
        **where,
        authorizationType="COGNITO_USER_POOLS",
        authorizerId=authorizer["id"],
        authorizationScopes=["orders/read"],
    )
    assert method == {
        "httpMethod": "GET",
        "authorizationType": "COGNITO_USER_POOLS",
        "authorizerId": authorizer["id"],
        "authorizationScopes": ["orders/read"],
        "apiKeyRequired": False,
    }

    integration = client.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=FUNCTION_URI)
    assert integration == {
        "type": "AWS_PROXY",
        "httpMethod": "POST",
        "uri": FUNCTION_URI,
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": 29000,
        "cacheNamespace": resource["id"],
        "cacheKeyParameters": [],
    }
    assert client.get_method(**where) == {**method, "methodIntegration": integration}

    deployment = client.create_deployment(restApiId=api_id, stageName="prod", description="first")
    assert deployment == {"id": deployment["id"], "createdDate": 1_700_000_000, "description": "first"}
    assert client.get_deployment(restApiId=api_id, deploymentId=deployment["id"], embed=["apisummary"]) == {
        **deployment,
        "apiSummary": {"/orders": {"GET": {"authorizationType": "COGNITO_USER_POOLS", "apiKeyRequired": False}}},
    }

    assert client.get_stage(restApiId=api_id, stageName="prod") == {
        "deploymentId": deployment["id"],
        "stageName": "prod",
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
        "createdDate": 1_700_000_000,
        "lastUpdatedDate": 1_700_000_000,
    }


def test_a_change_of_the_draft_does_not_touch_a_deployment(api: Api) -> None:
    """Reference 4.1: a snapshot never changes; deleting a resource leaves running stages as they are."""
    orders = api.resource("orders")
    api.method(orders)
    api.integration(orders)
    deployment_id = api.deployed()

    api.client.delete_resource(restApiId=api.id, resourceId=orders)

    summary = api.client.get_deployment(restApiId=api.id, deploymentId=deployment_id, embed=["apisummary"])
    assert "/orders" in summary["apiSummary"]
