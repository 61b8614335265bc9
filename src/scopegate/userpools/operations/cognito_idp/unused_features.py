"""Reads of features that no pool has here yet: the answer is AWS's for a pool on which nothing was ever set.

Deployment tools ask for these after they made a pool. The operations that would set them answer that they are not
built, so the empty answer is true.
Source: reference, "All 141 operations"; the answers of a pool without providers, logs or replicas.
"""

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool


def _check_first_page(request: Shape) -> None:
    if "NextToken" in request:
        raise refusals.bad_next_token()


def list_identity_providers(call: Call, request: Shape) -> Shape:
    """ListIdentityProviders: `COGNITO` itself is never listed."""
    get_pool(call, request["UserPoolId"])
    _check_first_page(request)
    return {"Providers": []}


def get_log_delivery_configuration(call: Call, request: Shape) -> Shape:
    """GetLogDeliveryConfiguration."""
    pool_id = get_pool(call, request["UserPoolId"])["Id"]
    return {"LogDeliveryConfiguration": {"UserPoolId": pool_id, "LogConfigurations": []}}


def list_user_pool_replicas(call: Call, request: Shape) -> Shape:
    """ListUserPoolReplicas."""
    get_pool(call, request["UserPoolId"])
    _check_first_page(request)
    return {"UserPoolReplicas": []}
