"""Requests and answers of every operation, against botocore's own serializers and parsers."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.aws import protocols
from scopegate.aws.models import SERVICES, Operation
from scopegate.base.errors import AwsError
from scopegate.http.message import Request
from tests.rooms.aws.wires import MODELS, as_answer, as_request, members_of, with_moments

OPERATIONS = [
    operation
    for name in SERVICES
    for operation_name in MODELS.service(name).operation_names()
    if (operation := MODELS.service(name).find_operation(operation_name)) is not None
    and not operation.model.has_event_stream_input
    and not operation.model.has_event_stream_output
]
PROFILE = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def of_service(name: str) -> list[Operation]:
    return [operation for operation in OPERATIONS if operation.service.name == name]


def has_raw_payload(operation: Operation) -> bool:
    shape = operation.model.output_shape
    return shape is not None and "payload" in shape.serialization


@pytest.mark.parametrize("service", SERVICES)
@PROFILE
@given(data=st.data())
def test_what_botocore_sends_is_what_is_read(service: str, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(of_service(service)), label="operation")
    shape = operation.model.input_shape
    form = operation.service.protocol == "query"
    members = data.draw(members_of(shape, form=form), label="members")

    request = as_request(operation, with_moments(shape, members))
    target = MODELS.find_target(request, operation.service.signing_name)

    parsed = protocols.parse(target, request)
    payload = shape.serialization.get("payload") if shape is not None else None
    if payload is not None and parsed.get(payload) == {}:  # botocore sends `{}` for an absent payload
        members.setdefault(payload, {})
    assert target.operation.name == operation.name
    assert parsed == members


@pytest.mark.parametrize("service", SERVICES)
@PROFILE
@given(data=st.data())
def test_what_is_answered_is_what_botocore_reads(service: str, data: st.DataObject) -> None:
    # A payload of bytes is tested by itself: the parser leaves reading it to botocore's transport.
    structured = [each for each in of_service(service) if not has_raw_payload(each)]
    operation = data.draw(st.sampled_from(structured), label="operation")
    shape = operation.model.output_shape
    members = data.draw(members_of(shape, answer=True), label="members")

    response = protocols.render_result(operation, members, "6cf9c7a8-0000-4000-8000-000000000000")
    answer = as_answer(operation, response)

    metadata = answer.pop("ResponseMetadata")
    assert metadata["RequestId"] == "6cf9c7a8-0000-4000-8000-000000000000"
    if response.status == 204:
        assert response.body == b""
    else:
        assert answer == with_moments(shape, members)


def read(service: str, name: str, target: bytes, body: bytes = b"", *headers: tuple[bytes, bytes]) -> object:
    operation = MODELS.operation(service, name)
    method = str(operation.model.http["method"])
    request = Request(method, target, list(headers), body)
    found = MODELS.find_target(request, operation.service.signing_name)
    assert found.operation.name == name
    return protocols.parse(found, request)


COGNITO = (b"X-Amz-Target", b"AWSCognitoIdentityProviderService.CreateUserPool")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", None),
        (b"[]", "Start of structure expected"),
        (b'{"PoolName": "\xff"}', None),
        (b'{"PoolName": "\\ud800"}', None),
        (b'{"PoolName": "a\\u0000b"}', "A string holds the character NUL"),
        (b'{"PoolName": true}', "class java.lang.Boolean can not be converted to an String"),
        (
            b'{"PoolName": 7}',
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String",
        ),
        (b'{"PoolName": ["a"]}', "Start of list found where not expected"),
        (b'{"PoolName": {"a": 1}}', "Start of structure or map found where not expected."),
        (b'{"AliasAttributes": "email"}', "Unrecognized collection type class java.lang.String"),
        (b'{"Policies": "none"}', "Expected structure or map"),
        (b"[" * 100_000, None),
        (b'{"Policies": {"PasswordPolicy": {"MinimumLength": 99999999999}}}', "A number is out of range"),
    ],
)
def test_wrong_json_is_a_serialization_exception(body: bytes, message: str | None) -> None:
    """Reference, cognito 10.3; control plane of API Gateway 3.1 (texts)."""
    with pytest.raises(AwsError) as refused:
        read("cognito-idp", "CreateUserPool", b"/", body, COGNITO)

    assert (refused.value.code, refused.value.message) == ("SerializationException", message)


def test_null_is_absent_and_unknown_members_are_ignored() -> None:
    body = b'{"PoolName": "p", "Policies": null, "NoSuchMember": {"a": 1}}'

    assert read("cognito-idp", "CreateUserPool", b"/", body, COGNITO) == {"PoolName": "p"}


@pytest.mark.parametrize(
    ("service", "name", "target"),
    [
        ("apigateway", "GetRestApis", b"/restapis?limit=many"),
        ("apigateway", "GetRestApis", b"/restapis?limit=1_0"),
        ("apigateway", "GetRestApis", b"/restapis?limit=99999999999999999999"),
        ("apigateway", "GetRestApis", b"/restapis?position=%ff"),
        ("apigateway", "GetRestApis", b"/restapis?position=%00"),
        ("apigateway", "GetRestApi", b"/restapis/%ff%fe"),
        ("apigateway", "GetApiKey", b"/apikeys/k?includeValue=perhaps"),
        ("lambda", "GetFunction", b"/2015-03-31/functions/f%00"),
    ],
)
def test_wrong_texts_in_path_and_query_are_refused(service: str, name: str, target: bytes) -> None:
    with pytest.raises(AwsError, match="SerializationException"):
        read(service, name, target)


FORM = (b"Content-Type", b"application/x-www-form-urlencoded; charset=utf-8")


@pytest.mark.parametrize(
    "form",
    [
        b"Tags.member.x.Key=a",
        b"MaxSessionDuration=soon",
        b"MaxSessionDuration.member.1=3",
        b"RoleName=%00",
        b"Tags" + b".member.1" * 40 + b"=a",
    ],
)
def test_wrong_forms_are_refused(form: bytes) -> None:
    with pytest.raises(AwsError, match="SerializationException"):
        read("iam", "CreateRole", b"/", b"Action=CreateRole&Version=2010-05-08&" + form, FORM)


def test_list_items_of_a_form_come_in_the_order_of_their_numbers() -> None:
    body = b"Action=UntagRole&Version=2010-05-08&TagKeys.member.10=c&TagKeys.member.9=b&TagKeys.member.1=a"

    assert read("iam", "UntagRole", b"/", body, FORM) == {"TagKeys": ["a", "b", "c"]}


def test_query_calls_also_come_as_get() -> None:
    """AWS Query protocol: parameters in the query string."""
    request = Request("GET", b"/?Action=GetCallerIdentity&Version=2011-06-15", [])

    assert MODELS.find_target(request, None).operation.name == "GetCallerIdentity"


@pytest.mark.parametrize(
    ("service", "name", "result", "status", "body"),
    [
        ("cognito-idp", "DeleteUserPool", {}, 200, b"{}"),
        ("apigateway", "DeleteRestApi", {}, 202, b""),
        ("apigateway", "DeleteMethod", {}, 204, b""),
        ("apigateway", "CreateDeployment", {"id": "a", "createdDate": 1.75}, 201, b'{"id":"a","createdDate":1}'),
        ("apigatewayv2", "DeleteApi", {}, 204, b""),
        ("apigatewayv2", "CreateApi", {"CreatedDate": 1.0}, 201, b'{"createdDate":"1970-01-01T00:00:01Z"}'),
        ("lambda", "DeleteFunction", {"StatusCode": 204}, 204, b""),
        ("lambda", "Invoke", {"StatusCode": 200, "Payload": b"null"}, 200, b"null"),
        ("lambda", "GetPolicy", {"Policy": "{}", "Other": 1}, 200, b'{"Policy":"{}"}'),
        ("iam", "TagRole", {}, 200, None),
    ],
)
def test_statuses_and_bodies_of_answers(
    service: str, name: str, result: dict[str, object], status: int, body: bytes | None
) -> None:
    """Reference, control plane of API Gateway 6; lambda 13."""
    response = protocols.render_result(MODELS.operation(service, name), result, "r")

    assert response.status == status
    assert body is None or response.body == body


def test_dates_of_rest_apis_are_whole_seconds_and_cognitos_have_a_fraction() -> None:
    """Reference, control plane of API Gateway 1.3; cognito 10.1."""
    rest = protocols.render_result(MODELS.operation("apigateway", "GetRestApi"), {"createdDate": 1700000000.4}, "r")
    pool = {"UserPool": {"CreationDate": 1524628110.29}}
    cognito = protocols.render_result(MODELS.operation("cognito-idp", "DescribeUserPool"), pool, "r")

    assert rest.body == b'{"createdDate":1700000000}'
    assert cognito.body == b'{"UserPool":{"CreationDate":1524628110.29}}'
