"""Authorizers by the wire's word. One that is not here yet closes the routes that need it."""

from collections.abc import Callable, Mapping
from typing import Final

from scopegate.gateway.authorizers import cognito, jwt
from scopegate.gateway.model import Authorizer, Document, RouteSpec

CompileAuthorizer = Callable[[Document, tuple[str, ...], RouteSpec], Authorizer]
"""(stored authorizer, the route's scopes, the route) → what decides; raises Closed."""

AUTHORIZERS: Final[Mapping[str, CompileAuthorizer]] = {
    "COGNITO_USER_POOLS": cognito.compile_authorizer,
    "JWT": jwt.compile_authorizer,
}
