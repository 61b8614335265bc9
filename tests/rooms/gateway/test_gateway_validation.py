"""Request validators of REST APIs. Reference: "Request validation and models"."""

from typing import Any

import orjson
import pytest

from tests.rooms.gateway.driver import Answer, Gateway, lambda_method

BOTH = {"id": "val001", "validateRequestParameters": True, "validateRequestBody": True}
MODEL = {
    "type": "object",
    "required": ["a"],
    "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/definitions/b"}},
    "definitions": {"b": {"type": "string", "pattern": "^x+$"}},
}


def gateway(method: dict[str, Any], validator: dict[str, Any] = BOTH, **models: Any) -> Gateway:
    made = Gateway()
    documents = [
        {"name": name, "schema": schema if isinstance(schema, str) else orjson.dumps(schema).decode()}
        for name, schema in {"Body": MODEL, **models}.items()
    ]
    made.put_rest(
        {"/v/{id}": {"POST": lambda_method(requestValidatorId="val001", **method)}},
        request_validators=[validator],
        models=documents,
    )
    return made


def post(made: Gateway, body: bytes = b"", target: str = "/prod/v/1", **headers: str) -> Answer:
    return made.call("POST", target, {name.replace("_", "-"): value for name, value in headers.items()}, body)


PARAMETERS = {
    "requestParameters": {
        "method.request.querystring.qs1": True,
        "method.request.header.x-header-param": True,
        "method.request.path.issuer": True,
        "method.request.path.id": True,
        "method.request.querystring.optional": False,
    }
}


def test_missing_parameters_are_listed_by_place_and_name() -> None:
    answer = post(gateway(PARAMETERS))

    assert (answer.status, answer.header("x-amzn-ErrorType")) == (400, "BadRequestException")
    assert answer.body == b'{"message": "Missing required request parameters: [x-header-param, issuer, qs1]"}'


@pytest.mark.parametrize(
    ("target", "header", "missing"),
    [
        ("/prod/v/1?qs1=1", "x-header-param", "[issuer]"),
        ("/prod/v/1?qs1=1", "X-Header-Param", "[x-header-param, issuer]"),
        ("/prod/v/1?qs1=", "x-header-param", "[issuer, qs1]"),
    ],
)
def test_names_are_compared_as_sent_and_empty_is_missing(target: str, header: str, missing: str) -> None:
    made = gateway(PARAMETERS)

    answer = made.call("POST", target, {header: "1"})

    assert answer.json["message"] == f"Missing required request parameters: {missing}"


BODY = {"requestModels": {"application/json": "Body"}}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"a":1}', "application/json", 200),
        (b'{"a":1}', "application/json; charset=utf-8", 200),
        (b'{"a":"1"}', "application/json", 400),
        (b'{"a":1,"b":"y"}', "application/json", 400),
        (b'{"a":1,"b":"xx"}', "application/json", 200),
        (b"", "application/json", 400),
        (b"no json", "application/json", 400),
        (b"no json", "text/plain", 200),
        (b'{"a":"1"}', None, 400),
        (b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", "application/json", 400),
    ],
)
def test_a_body_fits_the_model_of_its_media_type(body: bytes, content_type: str | None, status: int) -> None:
    made = gateway(BODY)

    answer = post(made, body, **({"Content_Type": content_type} if content_type else {}))

    assert answer.status == status
    if status == 400:
        assert answer.body == b'{"message": "Invalid request body"}'
        assert answer.header("x-amzn-ErrorType") == "BadRequestException"
        assert (answer.header("x-amzn-trace-id") or "").startswith("Root=1-")
        assert not made.invoked.invocations


def test_the_default_model_fits_every_other_type() -> None:
    assert post(gateway({"requestModels": {"$default": "Body"}}), b"{}", Content_Type="text/x").status == 400


def test_parameters_come_before_the_body() -> None:
    assert "parameters" in post(gateway({**PARAMETERS, **BODY}), b"bad").json["message"]


def test_a_model_may_refer_to_another_model() -> None:
    reference = {"$ref": "https://apigateway.amazonaws.com/restapis/api1234567/models/Body"}
    made = gateway({"requestModels": {"application/json": "Outer"}}, Outer={"type": "array", "items": reference})

    assert post(made, b'[{"a":1}]').status == 200
    assert post(made, b"[{}]").status == 400


def test_without_its_half_a_validator_checks_nothing() -> None:
    nothing = {"id": "val001", "validateRequestParameters": False, "validateRequestBody": False}

    assert post(gateway({**PARAMETERS, **BODY}, nothing), b"bad").status == 200


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ({"type": "nothing"}, "no JSON Schema"),
        ({"$ref": "https://evil.example/schema"}, "no model of this API"),
        ({"$ref": "file:///etc/passwd"}, "no model of this API"),
        ({"pattern": "(a+)+$"}, "exponential"),
        ({"properties": {"x": {"pattern": "("}}}, "no JSON Schema"),
        ({"patternProperties": {"(": {}}}, "no regular expression"),
    ],
)
def test_a_model_that_cannot_be_enforced_closes_the_method(schema: Any, reason: str) -> None:
    """Attack H6."""
    made = gateway({"requestModels": {"application/json": "Bad"}}, Bad=schema)

    assert post(made, b"{}").status == 500
    assert reason in made.record.reason


def test_a_reference_to_nothing_is_500() -> None:
    made = gateway({"requestModels": {"application/json": "Bad"}}, Bad={"$ref": "#/definitions/none"})

    assert post(made, b"{}").status == 500


def test_a_model_that_refers_to_itself_endlessly_ends() -> None:
    made = gateway({"requestModels": {"application/json": "Loop"}}, Loop={"allOf": [{"$ref": "#"}]})

    assert post(made, b"{}").status in (400, 500)
