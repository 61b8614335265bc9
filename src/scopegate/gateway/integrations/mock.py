"""MOCK: the gateway answers by itself, as CORS preflight methods of REST APIs do.

Source: reference, "REST MOCK".
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from scopegate.gateway.integrations.templates import compile_choice, compile_respond, misconfigured, static_text
from scopegate.gateway.mapping import BackendAnswer
from scopegate.gateway.model import ApiCall, Document, Integration, RouteSpec

# Loose as AWS reads it: `{statusCode: 200}`, single quotes, parts behind it.
_STATUS: Final = re.compile(r"[{,]\s*(?:\"statusCode\"|'statusCode'|statusCode)\s*:\s*(\d+)\s*(?=[,}\s]|$)")
_NONE: Final = -1  # of a template that gives no status


def compile_rest(document: Document, spec: RouteSpec) -> Integration:
    """A REST method's MOCK integration. Raises Closed for templates that need VTL."""
    templates = document.get("requestTemplates") or {}
    statuses = {kind: _parse_status(static_text(text, "request template")) for kind, text in templates.items()}
    choose = compile_choice(statuses, document.get("passthroughBehavior"))
    respond = compile_respond(document, spec)

    def integrate(call: ApiCall) -> None:
        call.mark(7)
        status = choose(call)
        if status is None:  # without a template the client's body may say it
            status = _parse_status(call.request.body.decode("utf-8", "replace"))
        if status == _NONE:
            raise misconfigured("the request template gives no integer statusCode")
        response = respond(call, BackendAnswer(status, (), b""))
        call.mark(8)
        call.mark(9)
        call.response = response

    return Integration(integrate, "MOCK")


def _parse_status(text: str) -> int:
    """The integer `statusCode` of a request template or body."""
    try:
        value: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        match = _STATUS.search(text)
        return int(match[1]) if match else _NONE
    status = value.get("statusCode") if isinstance(value, dict) else None
    return status if type(status) is int else _NONE
