"""Authorizers by the wire's word. One that is not here yet closes the routes that need it."""

from collections.abc import Callable, Mapping
from typing import Final

from scopegate.gateway.authorizers import cognito, functions, jwt, rest_jwt
from scopegate.gateway.model import HTTP, REST, Authorizer, Document, RouteSpec

CompileAuthorizer = Callable[[Document, tuple[str, ...], RouteSpec], Authorizer]
"""(stored authorizer, the route's scopes, the route) → what decides; raises Closed."""

AUTHORIZERS: Final[Mapping[tuple[str, str], CompileAuthorizer]] = {
    (REST, "COGNITO_USER_POOLS"): cognito.compile_authorizer,
    (REST, "JWT"): rest_jwt.compile_authorizer,
    (REST, "REQUEST"): functions.compile_rest_request,
    (REST, "TOKEN"): functions.compile_rest_token,
    (HTTP, "JWT"): jwt.compile_authorizer,
    (HTTP, "REQUEST"): functions.compile_http,
}
"""By API kind and the authorizer's type."""

TYPES: Final[Mapping[str, frozenset[str]]] = {
    "COGNITO_USER_POOLS": frozenset({"COGNITO_USER_POOLS"}),
    "CUSTOM": frozenset({"REQUEST", "TOKEN"}),
    "JWT": frozenset({"JWT"}),
}
"""Which types of authorizer a route's authorization type takes."""
