"""Calls user pool operations as the server does: coerced, validated, dispatched, on a real SQLite file."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

import scopegate.userpools.operations.cognito_idp as package
from scopegate.aws.control import Control
from scopegate.aws.models import Models
from scopegate.aws.operations import Caller, Table
from scopegate.aws.registry import table
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.jose.keys import NewKey, new_key
from scopegate.ports import Invocation, InvocationAnswer, Ports
from scopegate.store.port import Change, Tx
from scopegate.store.sealing import Sealer
from scopegate.store.sqlite import open_sqlite
from tests.database import empty_database

ACCOUNT = "000000000000"
REGION = "us-east-1"
MODEL: ServiceModel = botocore.session.get_session().get_service_model("cognito-idp")


@cache
def models() -> Models:
    return Models()


@cache
def operations() -> Table:
    return table({"cognito-idp": package}, models())


@cache
def ready_keys() -> list[NewKey]:
    """Two key pairs for all pools of these tests: making them takes longer than all the rest."""
    return [new_key(), new_key()]


async def no_function(_: Invocation) -> InvocationAnswer:
    """`ports.Invoke` of a server that has no function."""
    raise AwsError("ResourceNotFoundException", "Function not found")


def conform(value: Any, shape: Shape, path: str) -> None:
    """Assert that an answer has the members and types of its shape, in its order, and no null."""
    match shape.type_name:
        case "structure":
            order = [name for name in shape.members if name in value]
            assert list(value) == order or set(value) == set(order), f"{path}: {list(value)} beside {order}"
            for name, member in value.items():
                conform(member, shape.members[name], f"{path}.{name}")
        case "map":
            for key, member in value.items():
                conform(member, shape.value, f"{path}[{key}]")
        case "list":
            for index, member in enumerate(value):
                conform(member, shape.member, f"{path}[{index}]")
        case kind:
            wanted = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": float}
            assert type(value) is wanted[kind], f"{path}: {value!r} is no {kind}"


class Server:
    """One store, and the control role's front door to it."""

    def __init__(self, path: Path, **settings: Any) -> None:
        file = path / "scopegate.db"
        file.write_bytes(empty_database())
        self.loop = asyncio.Runner()
        self.store = open_sqlite(file)
        self.seal = Sealer(bytes(32))
        self.changes: list[Change] = []
        unbuilt: Any = None
        keys = iter(())

        def take_key() -> NewKey:
            nonlocal keys
            key = next(keys, None)
            if key is None:
                keys = iter(ready_keys())
                key = next(keys)
            return key

        self.control: Control[Ports] = Control(
            models=models(),
            table=operations(),
            settings=Settings(development=True, **settings),
            store=self.store,
            seal=self.seal,
            ports=Ports(no_function, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, unbuilt, take_key=take_key),
            find_access_key=unbuilt,
            allows=unbuilt,
            refusal_of_control=unbuilt,
            published=self._published,
        )

    async def _published(self, number: int) -> None:
        """Keeps what the last write announced."""
        self.changes = list(await self.store.changes(self.changes[-1].number if self.changes else 0))

    def last_changes(self) -> set[tuple[str, str]]:
        return {(change.kind, change.key) for change in self.changes}

    def read(self, transaction: Callable[[Tx], Any]) -> Any:
        return self.loop.run(self.store.read(transaction))

    def close(self) -> None:
        self.loop.run(self.store.close())
        self.loop.close()


class Client:
    """A client with boto3's calling convention: `client.create_user_pool(PoolName=…)`. Refusals are AwsErrors."""

    def __init__(self, server: Server, account: str = ACCOUNT, region: str = REGION) -> None:
        self.server = server
        self.account = account
        self.region = region

    def elsewhere(self, *, account: str | None = None, region: str | None = None) -> "Client":
        return Client(self.server, account or self.account, region or self.region)

    def with_settings(self, **changed: Any) -> "Client":
        """The same store under other settings."""
        server = object.__new__(Server)
        server.__dict__ = dict(self.server.__dict__)
        server.control = replace(self.server.control, settings=replace(self.server.control.settings, **changed))
        return Client(server, self.account, self.region)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        by_name = {models().operation("cognito-idp", each).python_name: each for each in MODEL.operation_names}
        if name not in by_name:
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            caller = Caller(self.account, f"arn:aws:iam::{self.account}:root", self.account, "AKIDEXAMPLE")
            control = self.server.control
            answer = self.server.loop.run(
                control.call("cognito-idp", by_name[name], request, region=self.region, caller=caller)
            )
            shape = MODEL.operation_model(by_name[name]).output_shape
            if shape is None:
                assert answer == {}
            else:
                conform(answer, shape, name)
            return answer

        return call


class Pool:
    """One user pool and short ways to furnish it."""

    def __init__(self, client: Client, **members: Any) -> None:
        self.client = client
        self.created = client.create_user_pool(**{"PoolName": "people", **members})["UserPool"]
        self.id: str = self.created["Id"]

    def describe(self) -> Any:
        return self.client.describe_user_pool(UserPoolId=self.id)["UserPool"]

    def update(self, **members: Any) -> Any:
        self.client.update_user_pool(UserPoolId=self.id, **members)
        return self.describe()

    def resource_server(self, identifier: str = "orders", *scopes: str) -> Any:
        described = [{"ScopeName": scope, "ScopeDescription": scope} for scope in scopes or ("read", "write")]
        answer = self.client.create_resource_server(
            UserPoolId=self.id, Identifier=identifier, Name="server", Scopes=described
        )
        return answer["ResourceServer"]

    def app_client(self, **members: Any) -> Any:
        wanted = {"UserPoolId": self.id, "ClientName": "job", **members}
        return self.client.create_user_pool_client(**wanted)["UserPoolClient"]

    def machine(self, **members: Any) -> Any:
        """An app client for client_credentials with `orders/read`."""
        wanted = {
            "GenerateSecret": True,
            "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthScopes": ["orders/read"],
            "AllowedOAuthFlowsUserPoolClient": True,
            **members,
        }
        return self.app_client(**wanted)

    def describe_client(self, client_id: str) -> Any:
        return self.client.describe_user_pool_client(UserPoolId=self.id, ClientId=client_id)["UserPoolClient"]

    def domain(self, domain: str, **members: Any) -> Any:
        return self.client.create_user_pool_domain(Domain=domain, UserPoolId=self.id, **members)


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str | None]:
    """(code, message) of the refusal that a call must get."""
    try:
        answer = call(**request)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError(f"answered instead of refused: {answer}")
