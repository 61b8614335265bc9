"""From request to the family's function and back: transactions, failures, calls from inside, what is not built."""

import types
from typing import Any

import pytest

from scopegate.account import queries
from scopegate.account.operations import iam, sts
from scopegate.aws.operations import CallContext, Caller, Shape
from scopegate.aws.registry import table
from scopegate.base.errors import AwsError
from scopegate.http.message import Request
from scopegate.store.port import StoreUnavailable
from tests.rooms.aws.plane import ROOT, Plane, code_of, message_of
from tests.rooms.aws.wires import MODELS, as_request, signed

TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}'  # noqa: E501 - one document


def request_of(service: str, operation: str, **members: Any) -> Request:
    known = MODELS.operation(service, operation)
    return signed(as_request(known, members), known.service.signing_name)


def with_operation(plane: Plane, function: Any, key: tuple[str, str] = ("iam", "GetUser")) -> None:
    object.__setattr__(plane.control, "table", {**plane.control.table, key: function})


def test_an_unknown_exception_is_the_services_500(development: Plane) -> None:
    """Design, "Errors": the contract's 500 with a request id; nothing of the exception reaches the client."""

    def get_user(call: CallContext[Any], request: Shape) -> Shape:
        raise KeyError("a secret of the house")

    with_operation(development, get_user)
    response = development.send(request_of("iam", "GetUser"))

    assert (response.status, code_of(response)) == (500, "ServiceFailure")
    assert b"secret" not in response.body
    assert b"<RequestId>" in response.body


def test_a_store_that_is_away_is_a_clear_503(development: Plane) -> None:
    async def get_user(call: CallContext[Any], request: Shape) -> Shape:
        raise StoreUnavailable("postgresql://user:password@host")

    with_operation(development, get_user)
    response = development.send(request_of("iam", "GetUser"))

    assert (response.status, code_of(response)) == (503, "ServiceUnavailable")
    assert b"password" not in response.body


def test_an_async_operation_has_no_transaction_of_its_own(development: Plane) -> None:
    async def get_user(call: CallContext[Any], request: Shape) -> Shape:
        with pytest.raises(RuntimeError):
            _ = call.tx
        await call.write(lambda tx: queries.delete_key(tx, "AKIA"))
        return {"User": {"UserName": "u"}}

    with_operation(development, get_user)

    assert development.call("iam", "GetUser") == {"User": {"UserName": "u"}}
    assert development.published, "its change was compiled before the answer"


def test_a_refused_write_leaves_nothing(development: Plane) -> None:
    def create_role(call: CallContext[Any], request: Shape) -> Shape:
        queries.put_entity(call.tx, call.account, "role", "half", {"Role": {}})
        raise AwsError("LimitExceeded", "no")

    with_operation(development, create_role, ("iam", "CreateRole"))
    with pytest.raises(AwsError, match="LimitExceeded"):
        development.call("iam", "CreateRole", RoleName="half", AssumeRolePolicyDocument=TRUST)

    assert development.write(lambda tx: queries.find_entity(tx, ROOT.account, "role", "half")) is None


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("iam", "CreateGroup", {"GroupName": "g"}),
        ("cognito-idp", "ListUserImportJobs", {"UserPoolId": "us-east-1_a", "MaxResults": 1}),
        ("apigateway", "GetSdkTypes", {}),
        ("apigatewayv2", "GetDomainNames", {}),
        ("lambda", "ListLayers", {}),
        ("logs", "DescribeLogGroups", {}),
        ("dynamodb", "ListTables", {}),
        ("sqs", "ListQueues", {}),
    ],
)
def test_what_is_not_built_says_so_by_name(
    development: Plane, service: str, operation: str, members: dict[str, Any]
) -> None:
    """Issue 3: every other operation answers a proper AWS error naming the operation."""
    with pytest.raises(AwsError) as refused:
        development.call(service, operation, **members)

    assert (refused.value.status, refused.value.code) == (501, "NotImplementedException")
    assert refused.value.message == f"{operation} of {service} is not built yet; see docs/coverage.md"


def inside(plane: Plane, service: str, operation: str, members: Shape, caller: Caller = ROOT) -> Any:
    return plane.loop.run(plane.control.call(service, operation, members, region="us-east-1", caller=caller))


def test_a_call_from_inside_is_coerced_checked_and_stored(development: Plane) -> None:
    members = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST, "MaxSessionDuration": "7200"}
    inside(development, "iam", "CreateRole", members)

    assert development.call("iam", "GetRole", RoleName="r")["Role"]["MaxSessionDuration"] == 7200
    with pytest.raises(AwsError, match="ValidationError"):
        inside(development, "iam", "CreateRole", {**members, "MaxSessionDuration": "7"})
    with pytest.raises(AwsError, match="SerializationException"):
        inside(development, "iam", "CreateRole", {**members, "Tags": "none"})
    with pytest.raises(AwsError, match="unsupported property MaxSesionDuration; did you mean MaxSessionDuration"):
        inside(development, "iam", "CreateRole", {**members, "MaxSesionDuration": 1})


def test_what_is_done_beside_an_operation_and_the_operation_happen_together(development: Plane) -> None:
    """No crash parts what a deployment notes from what it made: the answer is known inside the transaction."""
    seen: list[Any] = []

    def fail(_tx: Any, _made: Any) -> None:
        raise AwsError("Stopped")

    call = development.control.call
    members = {"RoleName": "r", "AssumeRolePolicyDocument": TRUST}
    with pytest.raises(AwsError, match="Stopped"):
        development.loop.run(call("iam", "CreateRole", members, region="us-east-1", caller=ROOT, also=fail))
    answer = development.loop.run(
        call("iam", "CreateRole", members, region="us-east-1", caller=ROOT, also=lambda _, made: seen.append(made))
    )

    assert seen == [answer]
    assert len(development.call("iam", "ListRoles")["Roles"]) == 1


def test_a_call_from_inside_to_what_is_not_there_is_refused(development: Plane) -> None:
    with pytest.raises(AwsError, match="CreateGroup of iam is not built yet"):
        inside(development, "iam", "CreateGroup", {"GroupName": "g"})
    with pytest.raises(AwsError, match="UnknownOperationException"):
        inside(development, "iam", "NoSuch", {})
    with pytest.raises(AwsError, match="UnknownOperationException"):
        inside(development, "nobody", "NoSuch", {})


def module(name: str, **functions: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    for function_name, function in functions.items():
        function.__module__ = name
        function.__name__ = function_name
        setattr(made, function_name, function)
    made.__path__ = []
    return made


def operation(call: Any, request: Any) -> None:
    """Stands for one."""


def test_every_operation_is_found_by_package_and_name() -> None:
    found = table({"iam": iam, "sts": sts}, MODELS)

    assert ("sts", "GetCallerIdentity") in found
    assert found[("iam", "CreateRole")].__name__ == "create_role"


def test_a_name_that_is_no_operation_stops_the_start() -> None:
    def other(call: Any, request: Any) -> None: ...

    with pytest.raises(RuntimeError, match="no_such_operation is no operation of iam"):
        table({"iam": module("m", get_role=operation, no_such_operation=other)}, MODELS)


def test_the_service_of_a_presigned_call_is_read_from_its_query(development: Plane) -> None:
    """A presigned GetCallerIdentity, as Vault and Kubernetes clusters send: known keys only, in every mode."""
    key = development.admin_key()
    request = Request("GET", b"/?Action=GetCallerIdentity&Version=2011-06-15", [])
    good = signed(request, "sts", key=key.access_key_id, secret=key.secret.decode(), presign=True)
    response = development.send(good)

    assert response.status == 200
    assert b":user/admin" in response.body
    stranger = development.send(signed(request, "sts", presign=True))
    assert (stranger.status, code_of(stranger)) == (403, "InvalidClientTokenId")
    assert message_of(stranger) == "The security token included in the request is invalid."
