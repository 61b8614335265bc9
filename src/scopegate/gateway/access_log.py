"""Access logs of stages: one line per call in the stage's log group, in the format that the stage gives.

A format is text with `$context` variables; what a call has not is `-`. A value never begins a new line, and inside a
string of a JSON format it never ends the string: whoever calls writes nothing into the log but values (attack G17).
Source: reference, "Access logs", "`$context`"; attack row G12.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from scopegate.base.errors import GatewayRefusal
from scopegate.gateway.mapping import compile_context
from scopegate.gateway.model import REST, ApiCall, ApiView, WriteLine
from scopegate.gateway.responses import http_message
from scopegate.http.message import Response
from scopegate.observe.groups import Group

_DESTINATION: Final = re.compile(
    r"arn:aws[a-z-]*:logs:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):log-group:(?P<name>[A-Za-z0-9_/.#-]{1,512})(:\*)?",
    re.ASCII,
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CHALLENGE: Final = re.compile(r'error="(?P<error>\w+)" error_description="(?P<why>[^"]*)"')
_VARIABLE: Final = re.compile(r"\$context\.(authorizer\.claims\.[\w:-]+|[A-Za-z][\w-]*(?:\.[\w-]+)*)", re.ASCII)
_QUOTE: Final = re.compile(r'(\\*)"')


def compile_access_log(settings: Mapping[str, Any] | None, api: ApiView) -> tuple[WriteLine | None, tuple[str, ...]]:
    """Stored access log settings of either spelling → (what writes the line, what is worth a warning)."""
    known = {key[:1].lower() + key[1:]: value for key, value in (settings or {}).items()}
    destination, template = known.get("destinationArn"), known.get("format")
    if not destination or not template:
        return None, ()
    match = _DESTINATION.fullmatch(destination)
    if match is None or (match["account"], match["region"]) != (api.account, api.region):
        return None, (f"access logs are not delivered to {destination}: only log groups beside the API are here",)
    group = Group(api.account, api.region, match["name"])
    render = _compile_format(" ".join(template.splitlines()))

    def write(call: ApiCall, response: Response, refusal: GatewayRefusal | None) -> None:
        if call.edge.log_groups is not None:
            _note(call, response, refusal)
            call.edge.log_groups.add(group, render(call))

    return write, ()


def _compile_format(template: str) -> Callable[[ApiCall], str]:
    is_json, in_string, position = template.lstrip().startswith("{"), False, 0
    parts: list[Callable[[ApiCall], str]] = []
    for match in _VARIABLE.finditer(template):
        before = template[position : match.start()]
        in_string = _ends_in_string(before, in_string)
        parts += [_literal(before), _variable(match[1], _in_json if is_json and in_string else _in_text)]
        position = match.end()
    parts.append(_literal(template[position:]))

    def render(call: ApiCall) -> str:
        return "".join([part(call) for part in parts])

    return render


def _literal(text: str) -> Callable[[ApiCall], str]:
    return lambda _: text


def _variable(name: str, escape: Callable[[str], str]) -> Callable[[ApiCall], str]:
    find = compile_context(name)

    def value(call: ApiCall) -> str:
        found = find(call)
        return "-" if found is None or found == "" else escape(found)

    return value


def _ends_in_string(text: str, in_string: bool) -> bool:
    """Whether JSON that begins inside a string, or does not, is inside one after `text`."""
    for quote in _QUOTE.finditer(text):
        if len(quote[1]) % 2 == 0:  # not escaped
            in_string = not in_string
    return in_string


def _in_text(value: str) -> str:
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", value)


def _in_json(value: str) -> str:
    return _in_text(value.replace("\\", "\\\\").replace('"', '\\"'))


# what is known only at the end


def _note(call: ApiCall, response: Response, refusal: GatewayRefusal | None) -> None:
    """Put into the call's `$context` what its steps did not know."""
    context, times = call.context, call.record.times
    length = response.length if response.stream is not None else len(response.body)
    context["status"] = str(response.status)
    if length is not None:
        context["responseLength"] = str(length)
    context["responseLatency"] = str((times[10] - times[3]) // 1_000_000)
    if times[9] and times[8]:
        context["integrationLatency"] = context["integration.latency"] = str((times[9] - times[8]) // 1_000_000)
    if refusal is None:
        if times[9]:
            for name in ("integrationStatus", "integration.status", "integration.integrationStatus"):
                context[name] = str(response.status)
        return
    message = refusal.message if call.api.kind == REST else http_message(response.status)
    if message is not None:
        context["error.message"] = message
    context["error.messageString"] = orjson.dumps(message).decode()
    context["error.responseType"] = refusal.response_type
    if refusal.response_type.startswith("INTEGRATION_"):
        context["integrationErrorMessage"] = context["integration.error"] = refusal.reason
    if refusal.www_authenticate is not None:
        call.authorizer = {**call.authorizer, "error": _authorizer_error(refusal.www_authenticate)}


def _authorizer_error(challenge: str) -> str:
    found = _CHALLENGE.search(challenge)
    return f"{found['error']}: {found['why']}" if found else "missing: token not provided"
