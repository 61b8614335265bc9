"""Whatever comes is read or refused in the service's words: never another exception, which would be a 500."""

from contextlib import suppress

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.aws import protocols
from scopegate.aws.constraints import validate
from scopegate.aws.models import SERVICES, Operation, Target, UnknownOperation
from scopegate.base.errors import AwsError
from scopegate.http.message import Request
from tests.rooms.aws.wires import MODELS

PROFILE = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OPERATIONS = [
    operation
    for name in SERVICES
    for operation_name in MODELS.service(name).operation_names()
    if (operation := MODELS.service(name).find_operation(operation_name)) is not None
]
JSON = [each for each in OPERATIONS if each.service.protocol != "query"]
QUERY = [each for each in OPERATIONS if each.service.protocol == "query"]
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=5)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


def read(target: Target, request: Request) -> None:
    try:
        validate(target.operation, protocols.parse(target, request))
    except AwsError as error:
        answer = protocols.render_error(target.operation.service, error, "r")
        assert 400 <= answer.status < 500


@PROFILE
@given(data=st.data())
def test_members_of_any_json_type(data: st.DataObject) -> None:
    operation: Operation = data.draw(st.sampled_from(JSON))
    shape = operation.model.input_shape
    names = [str(m.serialization.get("name", n)) for n, m in shape.members.items()] if shape is not None else []
    keys = st.sampled_from(names) if names else st.text(max_size=3)
    document = data.draw(st.dictionaries(keys, VALUES, max_size=4) | VALUES)
    labels = {name: data.draw(st.text("ab%20f/é\0", min_size=1, max_size=6)) for name in names}
    query = data.draw(st.text("abc=&%0lim1", max_size=12))

    read(Target(operation, labels), Request("POST", f"/?{query}".encode(), [], orjson.dumps(document)))


@PROFILE
@given(operation=st.sampled_from(JSON), body=st.binary(max_size=40))
def test_bodies_of_any_bytes(operation: Operation, body: bytes) -> None:
    shape = operation.model.input_shape
    labels = {str(m.serialization.get("name", n)): "x" for n, m in shape.members.items()} if shape is not None else {}

    read(Target(operation, labels), Request("POST", b"/", [], body))


@PROFILE
@given(data=st.data())
def test_forms_of_any_names(data: st.DataObject) -> None:
    operation: Operation = data.draw(st.sampled_from(QUERY))
    shape = operation.model.input_shape
    names = ["a", *(shape.members if shape is not None else ())]
    tail = st.text("member.entry.key1023value", max_size=24)
    keys = st.builds(lambda name, rest: f"{name}.{rest}" if rest else name, st.sampled_from(names), tail)
    form = data.draw(st.dictionaries(keys, st.text(max_size=6), max_size=6))

    read(Target(operation, form=form), Request("POST", b"/", []))


@PROFILE
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "X"]),
    target=st.binary(max_size=40),
    header=st.binary(max_size=30),
    body=st.binary(max_size=30),
    signing_name=st.none() | st.sampled_from([*SERVICES, "s3", "", "?"]),
)
def test_requests_of_any_bytes(
    method: str, target: bytes, header: bytes, body: bytes, signing_name: str | None
) -> None:
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    for headers in ([(b"X-Amz-Target", header)], [form], []):
        with suppress(UnknownOperation):
            request = Request(method, b"/" + target, headers, body)
            read(MODELS.find_target(request, signing_name), request)
