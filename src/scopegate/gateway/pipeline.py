"""← A call of an API, from the request to the answer: steps down, kinds of API across.

    step                      REST                          HTTP
    sizes of the head         431, as text                  431
    stage and route           verb may be overridden;       first segment or $default, else 404;
                              403 without stage or route    a preflight without a route is answered here
    throttle                  after the authorizer          before the authorizer
    authorizer                the route's                   the route's
    resource policy           where no authorizer asked it  -
    API key                   where the method needs one    -
    admitted                  the decision is ALLOW         the decision is ALLOW
    validator                 route.validate                -
    integration               route.integrate               route.integrate, parameter mappings in it
    finish                    -                             CORS headers

What a step does for a route was compiled beforehand (`compile.py`); a call interprets no configuration. A step that
needs no waiting is never awaited, so a refusal is a plain Response. Every call leaves a decision record.
Source: design, "What flows through it" (b); reference, "Order of checks".
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Final

import structlog

from scopegate.aws.sigv4 import SignatureRefused, read_credential
from scopegate.base import clock
from scopegate.base.errors import GatewayRefusal
from scopegate.base.limits import limit
from scopegate.gateway import cors, responses
from scopegate.gateway.model import HTTP, REST, ApiCall, ApiView, Place, Step
from scopegate.http.later import Later
from scopegate.http.message import Request, Response
from scopegate.http.paths import TargetError
from scopegate.observe.record import Record
from scopegate.ports import Edge

_REST_HEADER_BYTES: Final = limit("gateway.rest.header_bytes")
_REST_URL_CHARACTERS: Final = limit("gateway.rest.url_characters")
_HTTP_HEAD_BYTES: Final = limit("gateway.http.head_bytes")
_SMALL_HEAD_BYTES: Final = min(_REST_HEADER_BYTES, _REST_URL_CHARACTERS, _HTTP_HEAD_BYTES)  # within all of these

# Refusals that say nothing about who may do what.
_UNDECIDED: Final = frozenset(
    {
        "BAD_REQUEST_BODY",
        "BAD_REQUEST_PARAMETERS",
        "DEFAULT_4XX",
        "DEFAULT_5XX",
        "MISSING_AUTHENTICATION_TOKEN",
        "QUOTA_EXCEEDED",
        "REQUEST_TOO_LARGE",
        "THROTTLED",
        "UNSUPPORTED_MEDIA_TYPE",
    }
)

log = structlog.get_logger()


def answer(request: Request, api: ApiView | None, raw_path: bytes, edge: Edge) -> Response | Awaitable[Response]:
    """Answer a call of an API.

    api: None when there is none of that id: 403. raw_path: in host form, its first segment the stage where the API kind
    has one in the path (`$default` may be spelled).
    """
    if api is None:
        return _answer_unknown(request, raw_path, edge)
    call = ApiCall(request, api, raw_path, edge)
    return _run(call, _STEPS[api.kind])


def answer_found(call: ApiCall, find: Step) -> Response | Awaitable[Response]:
    """Answer a call whose route `find` finds, whatever its path: one that is only tried out."""
    return _run(call, (find,))


def _answer_unknown(request: Request, raw_path: bytes, edge: Edge) -> Response:
    """No API has this id: 403, whatever kind it may have been."""
    request_id = clock.request_uuid()
    started_ns = request.received_ns or clock.monotonic_ns()
    record = Record("call", request_id, clock.now(), request.method, raw_path.decode("latin-1"), started_ns)
    record.status, record.reason = 403, "there is no API of this id"
    response = responses.unknown_api(request, request_id, clock.short_request_id())
    if why := responses.explanation(request, edge, record.reason):
        response.headers.append(why)
    record.times[10] = clock.monotonic_ns()
    edge.ring.add(record)
    return response


def _run(call: ApiCall, steps: tuple[Step, ...]) -> Response | Awaitable[Response]:
    """Find the route, then run its steps; what has to be waited for turns the rest into a coroutine."""
    try:
        for step in steps:
            step(call)
        route = call.route
        if route is not None and call.response is None:
            for position, step in enumerate(route.steps, 1):
                waiting = step(call)
                if waiting is not None:
                    if isinstance(waiting, Later):
                        return _finish_later(call, waiting)
                    return _run_later(call, waiting, route.steps[position:])
    except GatewayRefusal as refusal:
        return _finish(call, refusal)
    except Exception as error:
        return _finish(call, _unforeseen(call, error))
    return _finish(call, None)


def _finish_later(call: ApiCall, waiting: Later[Any]) -> Later[Response]:
    """Finish as soon as the answer is there: no task for the most frequent wait of all, a web service's."""
    response: Later[Response] = Later()

    def finish(came: Later[Any]) -> None:
        refusal = None
        try:
            call.accept(call, came)
        except GatewayRefusal as refused:
            refusal = refused
        except Exception as error:
            refusal = _unforeseen(call, error)
        try:
            response.give(_finish(call, refusal))
        except Exception as error:
            response.fail(error)

    waiting.then(finish)
    return response


async def _run_later(call: ApiCall, waiting: Awaitable[None], steps: tuple[Step, ...]) -> Response:
    try:
        await waiting
        for step in steps:
            more = step(call)
            if isinstance(more, Later):
                return await _finish_later(call, more)
            if more is not None:
                await more
    except GatewayRefusal as refusal:
        return _finish(call, refusal)
    except Exception as error:
        return _finish(call, _unforeseen(call, error))
    return _finish(call, None)


def _unforeseen(call: ApiCall, error: Exception) -> GatewayRefusal:
    """What no step foresaw: the contract's 500, and a traceback in the log under the request id."""
    log.exception("gateway.failed", request_id=call.request_id, api_id=call.api.api_id)
    return GatewayRefusal("DEFAULT_5XX", "Internal server error", reason=f"unforeseen: {type(error).__name__}")


def _decides(call: ApiCall, refusal: GatewayRefusal) -> bool:
    """Whether a refusal says who may do what; on a route that is there, a signature that is missing or none does."""
    if call.route is not None and (refusal.status == 403 or refusal.response_type == "MISSING_AUTHENTICATION_TOKEN"):
        return True
    return refusal.response_type not in _UNDECIDED


def _finish(call: ApiCall, refusal: GatewayRefusal | None) -> Response:
    """Render the answer and keep the record."""
    record = call.record
    if refusal is not None:
        call.response = responses.refuse(call, refusal)
        record.facts["response_type"] = refusal.response_type
        if record.decision:
            record.facts["failure"] = refusal.reason  # allowed, and yet not answered
        else:
            record.reason = refusal.reason
            if _decides(call, refusal):
                record.decision = "DENY"
    response = call.response
    if response is None:
        response = responses.refuse(
            call, GatewayRefusal("DEFAULT_5XX", "Internal server error", reason="no step answered")
        )
    if call.stage is not None and call.stage.cors is not None and not call.is_preflight:
        cors.apply_cors(call, call.stage.cors, response)
    record.status = response.status
    record.facts["api"] = call.api.api_id
    if call.stage is not None:
        record.facts["stage"] = call.stage.name
    if call.route is not None:
        record.facts["route"] = call.route.key
    call.mark(10)
    if call.stage is not None and call.stage.write_line is not None:
        call.stage.write_line(call, response, refusal)
    call.edge.ring.add(record)
    return response


# sizes


def _check_rest_size(call: ApiCall) -> None:
    request = call.request
    if request.head_bytes <= _SMALL_HEAD_BYTES:
        return
    if len(request.target) > _REST_URL_CHARACTERS:
        raise GatewayRefusal("DEFAULT_4XX", "Request URI too long", status=414, reason="the URL is too long")
    if sum([len(value) for _, value in request.headers]) > _REST_HEADER_BYTES:
        call.response = responses.rest_head_too_large(call)
        call.record.reason = "the headers are too large"


def _check_http_size(call: ApiCall) -> None:
    request = call.request
    if request.head_bytes <= _SMALL_HEAD_BYTES:
        return
    if len(request.target) + sum([len(value) for _, value in request.headers]) > _HTTP_HEAD_BYTES:
        raise GatewayRefusal("DEFAULT_4XX", status=431, reason="request line and headers are too large")


# stage and route


def _locate(call: ApiCall) -> Place:
    try:
        place = call.api.locate(call.raw_path, call.method)
    except TargetError as error:
        raise GatewayRefusal("DEFAULT_4XX", "Bad Request", reason=f"the path is refused: {error}") from None
    target = place.target
    call.path, call.stage_path = target.path, target.stage_path
    call.match_path, call.segments = target.match_path, target.segments
    return place


def _find_rest_route(call: ApiCall) -> None:
    if call.method == "POST":
        override = call.request.find_text(b"x-http-method-override")
        if override:
            # Before matching, so that the overridden method's authorizer decides (attack G19).
            call.method = override.upper()
    place = _locate(call)
    stage = place.stage
    if stage is None or stage.disabled:
        reason = f"the API has no stage {place.target.stage!r}" if stage is None else "the default endpoint is disabled"
        # There is no stage, so gateway responses have no say (reference, "REST: customisation").
        raise GatewayRefusal(
            "MISSING_AUTHENTICATION_TOKEN", "Forbidden", error_type="ForbiddenException", reason=reason
        )
    call.stage = stage
    if stage.closed:
        raise GatewayRefusal(
            "API_CONFIGURATION_ERROR", "Internal server error", reason=f"the stage is closed: {stage.closed}"
        )
    if place.route is None:
        raise _no_rest_route(call)
    call.route, call.path_values = place.route, place.path_values


def _find_http_route(call: ApiCall) -> None:
    place = _locate(call)
    stage = place.stage
    if stage is None or stage.disabled:
        reason = f"the API has no stage {place.target.stage or '$default'}"
        raise GatewayRefusal("MISSING_AUTHENTICATION_TOKEN", reason=reason)
    call.stage = stage
    if stage.closed:
        raise GatewayRefusal("API_CONFIGURATION_ERROR", reason=f"the stage is closed: {stage.closed}")
    if place.route is not None:
        call.route, call.path_values = place.route, place.path_values
    elif stage.cors is not None and cors.is_preflight(call.request):
        # Answered for any path, whatever its routes' authorizers: nothing behind the gateway is reached.
        call.response = cors.answer_preflight(call, stage.cors)
        call.is_preflight = True
        call.record.reason = "a CORS preflight that no route takes"
    else:
        raise _no_route(call)


def _no_route(call: ApiCall) -> GatewayRefusal:
    reason = f"no route for {call.method[:16]} and this path"
    return GatewayRefusal("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token", reason=reason)


def _no_rest_route(call: ApiCall) -> GatewayRefusal:
    """As `_no_route`; but where an `Authorization` is no signature, AWS complains of that first."""
    refusal = _no_route(call)
    try:
        read_credential(call.request)
    except SignatureRefused as refused:
        error_type = "IncompleteSignatureException"
        return GatewayRefusal("DEFAULT_4XX", refused.message, status=403, error_type=error_type, reason=refusal.reason)
    return refusal


# from the route on


def _admit(call: ApiCall) -> None:
    """Whoever comes here may call the route; what fails from now on fails for another reason."""
    call.record.decision = "ALLOW"
    call.record.reason = call.found_route.allowed_because


def order_steps(
    kind: str,
    *,
    authorize: Step | None,
    throttle: Step | None,
    validate: Step | None,
    integrate: Step,
    policy: Step | None = None,
    key: Step | None = None,
) -> tuple[Step, ...]:
    """The steps of a route in their order; None is one that it has not."""
    steps: tuple[Step | None, ...]
    if kind == REST:
        steps = (authorize, policy, key, _admit, throttle, validate, integrate)
    else:
        steps = (throttle, authorize, _admit, integrate)
    return tuple(step for step in steps if step is not None)


_STEPS: Final[Mapping[str, tuple[Step, ...]]] = {
    REST: (_check_rest_size, _find_rest_route),
    HTTP: (_check_http_size, _find_http_route),
}
