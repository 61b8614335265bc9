"""Integrations by API kind and the wire's word. One that is not here yet closes the routes that need it."""

from collections.abc import Callable, Mapping
from typing import Final

from scopegate.gateway.integrations import http, lambda_proxy, mock
from scopegate.gateway.model import HTTP, REST, Document, Integration, RouteSpec

CompileIntegration = Callable[[Document, RouteSpec], Integration]
"""(stored integration, the route) → what answers the call; raises Closed."""

INTEGRATIONS: Final[Mapping[tuple[str, str], CompileIntegration]] = {
    (REST, "AWS_PROXY"): lambda_proxy.compile_rest,
    (REST, "HTTP"): http.compile_rest,
    (REST, "HTTP_PROXY"): http.compile_rest_proxy,
    (REST, "MOCK"): mock.compile_rest,
    (HTTP, "AWS_PROXY"): lambda_proxy.compile_http,
    (HTTP, "HTTP_PROXY"): http.compile_http,
}
