"""Calls operations as the `aws` room does: model-checked requests, a real database, model-shaped answers."""

import asyncio
import contextlib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final, cast

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.validate import ParamValidator
from sqlalchemy import Connection

from scopegate.aws.operations import CallContext, Caller
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.gateway.operations import apigateway
from scopegate.ports import Ports, TrustedPool
from scopegate.store.sealing import Sealer
from tests.database import new_database

ACCOUNT = "000000000000"
REGION = "us-east-1"
POOL_ARN = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_Abc123xyz"
FUNCTION_URI = (
    f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/"
    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders/invocations"
)
SNAKE = re.compile(r"(?<!^)(?=[A-Z])")


class Service:
    """A service: its model, and its operations by name, found as the server finds them."""

    def __init__(self, name: str, package: ModuleType) -> None:
        self.model: ServiceModel = botocore.session.get_session().get_service_model(name)
        self.operation_by_name = {SNAKE.sub("_", name).lower(): name for name in self.model.operation_names}
        self.functions: dict[str, Callable[..., Any]] = {}
        for module_info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(module_info.name)
            for found, value in vars(module).items():
                if found in self.operation_by_name and getattr(value, "__module__", "") == module.__name__:
                    assert found not in self.functions, f"two operations named {found}"
                    self.functions[found] = value

    def operation(self, name: str) -> OperationModel:
        return self.model.operation_model(self.operation_by_name[name])


REST: Final = Service("apigateway", apigateway)


def conform(value: Any, shape: Shape, path: str) -> None:
    """Assert that an answer has the members and types of its shape, and no null beside the one AWS sends."""
    match shape.type_name:
        case "structure":
            for name, member in value.items():
                assert name in shape.members, f"{path}.{name} is no member of {shape.name}"
                conform(member, shape.members[name], f"{path}.{name}")
        case "map":
            for key, member in value.items():
                if not (member is None and path.endswith(".responseTemplates")):
                    conform(member, shape.value, f"{path}[{key}]")
        case "list":
            for index, member in enumerate(value):
                conform(member, shape.member, f"{path}[{index}]")
        case "timestamp" if shape.serialization.get("timestampFormat") == "iso8601":
            assert type(value) is float, f"{path}: {value!r} is no timestamp"
        case kind:
            wanted = {"string": str, "boolean": bool, "integer": int, "long": int, "double": float, "timestamp": int}
            wanted["blob"] = bytes
            assert type(value) is wanted[kind], f"{path}: {value!r} is no {kind}"


class Tx:
    """An open transaction on a real database."""

    def __init__(self, sql: Connection) -> None:
        self.sql = sql
        self.changes: list[tuple[str, str]] = []

    def changed(self, kind: str, key: str) -> None:
        self.changes.append((kind, key))


class _Reading:
    """A store that reads what the open transaction sees."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    async def read(self, transaction: Callable[[Any], Any]) -> Any:
        return transaction(self._tx)


class Client:
    """A client with boto3's calling convention: `client.create_rest_api(name=…)`. Refusals are AwsErrors."""

    def __init__(
        self, *, aws_quotas: bool = False, account: str = ACCOUNT, service: Service = REST, region: str = REGION
    ) -> None:
        self.service = service
        self.region = region
        self.database = new_database()
        self.database.exec_driver_sql("PRAGMA foreign_keys=ON")
        self.database.commit()
        self.settings = Settings(aws_quotas=aws_quotas)
        self.account = account
        self.forgetful = False
        self.now = 1_700_000_000.75
        self.operations = service.functions
        self.changes: list[tuple[str, str]] = []

    def as_account(self, account: str, region: str = REGION) -> "Client":
        """The same server as another account sees it, or the same in another region."""
        other = Client.__new__(Client)
        other.__dict__ = {**self.__dict__, "account": account, "region": region}
        return other

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of one call; nothing stays of it inside `rolled_back`."""
        with self.database.begin() as whole:
            yield self.database
            if self.forgetful:
                whole.rollback()

    @contextlib.contextmanager
    def rolled_back(self) -> Iterator[None]:
        """Calls inside leave the database as it was."""
        self.forgetful = True
        try:
            yield
        finally:
            self.forgetful = False

    def _find_pool(self, arn: str) -> TrustedPool | None:
        if arn != POOL_ARN:
            return None
        return TrustedPool("us-east-1_Abc123xyz", POOL_ARN, "https://issuer", {}, frozenset())

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.service.operation_by_name:
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            operation = self.service.operation(name)
            report = ParamValidator().validate(request, operation.input_shape)
            assert not report.has_errors(), report.generate_report()
            unbuilt: Any = None
            ports = Ports(unbuilt, self._find_pool, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt)
            caller = Caller(self.account, f"arn:aws:iam::{self.account}:root", self.account, "AKIDEXAMPLE")
            with self.transaction() as sql:
                tx = Tx(sql)
                context = CallContext(
                    caller=caller,
                    account=self.account,
                    region=self.region,
                    now=self.now,
                    request_id="request",
                    settings=self.settings,
                    seal=Sealer(bytes(32)),
                    ports=ports,
                    store=cast("Any", _Reading(tx)),
                    published=unbuilt,
                    open_tx=tx,
                )
                answer = self.operations[name](context, request)
                if inspect.iscoroutine(answer):
                    answer = asyncio.run(answer)
                assert not (tx.changes and name.startswith(("get_", "list_"))), "reading operations may not write"
                self.changes = tx.changes
            if operation.output_shape is None:
                assert answer == {}
            else:
                conform(answer, operation.output_shape, name)
            return answer

        return call


def as_patches(*operations: tuple[str, ...]) -> list[dict[str, str]]:
    """Patch operations from (op, path, value, from), shorter ones without their last members."""
    return [dict(zip(("op", "path", "value", "from"), each, strict=False)) for each in operations]


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str | None]:
    """(code, message) of the refusal that a call must get."""
    try:
        answer = call(**request)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError(f"answered instead of refused: {answer}")


class Api:
    """One REST API and short ways to furnish it."""

    def __init__(self, client: Client, **members: Any) -> None:
        self.client = client
        created = client.create_rest_api(name="orders", **members)
        self.id = created["id"]
        self.root = created["rootResourceId"]

    def resource(self, *parts: str) -> str:
        parent = self.root
        for part in parts:
            known = self.client.get_resources(restApiId=self.id, limit=500)["items"]
            found = [each for each in known if each.get("parentId") == parent and each["pathPart"] == part]
            parent = (
                found[0]["id"]
                if found
                else self.client.create_resource(restApiId=self.id, parentId=parent, pathPart=part)["id"]
            )
        return parent

    def method(self, resource_id: str, verb: str = "GET", **members: Any) -> Any:
        wanted = {"authorizationType": "NONE", **members}
        return self.client.put_method(restApiId=self.id, resourceId=resource_id, httpMethod=verb, **wanted)

    def integration(self, resource_id: str, verb: str = "GET", **members: Any) -> Any:
        wanted = members or {"type": "MOCK"}
        return self.client.put_integration(restApiId=self.id, resourceId=resource_id, httpMethod=verb, **wanted)

    def authorizer(self, **members: Any) -> str:
        wanted = {
            "name": "pool",
            "type": "COGNITO_USER_POOLS",
            "providerARNs": [POOL_ARN],
            "identitySource": "method.request.header.Authorization",
            **members,
        }
        return str(self.client.create_authorizer(restApiId=self.id, **wanted)["id"])

    def deployed(self, stage_name: str | None = "prod", **members: Any) -> str:
        """A deployment; furnishes GET / with a mock when the API has no methods yet."""
        if not self.client.get_resource(restApiId=self.id, resourceId=self.root).get("resourceMethods"):
            self.method(self.root)
            self.integration(self.root)
        if stage_name is not None:
            members["stageName"] = stage_name
        return str(self.client.create_deployment(restApiId=self.id, **members)["id"])
