"""Calls Lambda's operations as the server does: coerced, validated, dispatched, on a real SQLite file.

Nothing runs code here; invocations are tested over the wire.
"""

import asyncio
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

import scopegate.functions.operations.lambda_ as package
from scopegate.aws.control import Control
from scopegate.aws.models import Models
from scopegate.aws.operations import Caller, Table
from scopegate.aws.registry import table
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.functions.compile import View, compile_all, compile_changed
from scopegate.ports import CompileContext, Ports
from scopegate.store.port import Change, Tx
from scopegate.store.sealing import Sealer
from scopegate.store.sqlite import open_sqlite
from tests.database import empty_database

ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/functions"
MODEL: ServiceModel = botocore.session.get_session().get_service_model("lambda")
SOURCE = "def handler(event, context):\n    return event\n"


@cache
def models() -> Models:
    return Models()


@cache
def operations() -> Table:
    return table({"lambda": package}, models())


def zipped(source: str = SOURCE) -> bytes:
    """A package with one file; the same bytes for the same text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), source)
    return buffer.getvalue()


def conform(value: Any, shape: Shape, path: str) -> None:
    """Assert that an answer has members of its shape only, in their types, and no null."""
    match shape.type_name:
        case "structure":
            assert value.keys() <= shape.members.keys(), f"{path}: {value.keys() - shape.members.keys()}"
            for name, member in value.items():
                conform(member, shape.members[name], f"{path}.{name}")
        case "map":
            for key, member in value.items():
                conform(member, shape.value, f"{path}[{key}]")
        case "list":
            for index, member in enumerate(value):
                conform(member, shape.member, f"{path}[{index}]")
        case "blob":
            assert isinstance(value, bytes), f"{path}: {value!r}"
        case kind:
            wanted = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": float, "double": float}
            assert type(value) is wanted[kind], f"{path}: {value!r} is no {kind}"


class Server:
    """One store, the control role's front door to it, and the view that invocations read."""

    def __init__(self, path: Path, **settings: Any) -> None:
        file = path / "scopegate.db"
        file.write_bytes(empty_database())
        self.loop = asyncio.Runner()
        self.store = open_sqlite(file)
        self.seal = Sealer(bytes(32))
        self.changes: list[Change] = []
        self.settings = Settings(development=True, data_dir=path / "data", **settings)
        unbuilt: Any = None
        self.ports = Ports(
            invoke=unbuilt,
            find_pool=unbuilt,
            function_exists=lambda arn: self.view.find_function(arn) is not None,
            find_access_key=unbuilt,
            mint_session=unbuilt,
            call_aws=unbuilt,
            plans=tuple,
            code_url=lambda sha256: f"https://code/{sha256}",
        )
        self.context = CompileContext(self.settings, self.seal, self.ports)
        self.view: View = self.read(lambda tx: compile_all(tx, self.context))
        self.control: Control[Ports] = Control(
            models=models(),
            table=operations(),
            settings=self.settings,
            store=self.store,
            seal=self.seal,
            ports=self.ports,
            find_access_key=unbuilt,
            allows=unbuilt,
            refusal_of_control=unbuilt,
            published=self._published,
        )

    async def _published(self, number: int) -> None:
        changes = list(await self.store.changes(self.changes[-1].number if self.changes else 0))
        self.view = await self.store.read(lambda tx: compile_changed(tx, self.view, changes, self.context))
        self.changes = changes

    def read(self, transaction: Callable[[Tx], Any]) -> Any:
        return self.loop.run(self.store.read(transaction))

    def close(self) -> None:
        self.loop.run(self.store.close())
        self.loop.close()


class Client:
    """A client with boto3's calling convention: `client.create_function(…)`. Refusals are AwsErrors."""

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
        by_name = {models().operation("lambda", each).python_name: each for each in MODEL.operation_names}
        if name not in by_name:
            raise AttributeError(name)

        def call(**request: Any) -> Any:
            caller = Caller(self.account, f"arn:aws:iam::{self.account}:root", self.account, "AKIDEXAMPLE")
            control = self.server.control
            answer = self.server.loop.run(
                control.call("lambda", by_name[name], request, region=self.region, caller=caller)
            )
            shape = MODEL.operation_model(by_name[name]).output_shape
            if shape is None:
                assert answer == {}
            else:
                conform(answer, shape, name)
            return answer

        return call

    def make(self, name: str = "orders", source: str = SOURCE, **members: Any) -> Any:
        """CreateFunction with what it needs."""
        request = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": ROLE.replace(ACCOUNT, self.account),
            "Handler": "app.handler",
            "Code": {"ZipFile": zipped(source)},
            **members,
        }
        return self.create_function(**request)

    def configuration(self, name: str = "orders") -> Any:
        return self.get_function_configuration(FunctionName=name)

    def change(self, **members: Any) -> Any:
        """UpdateFunctionConfiguration of `orders`, and how it is after that."""
        self.update_function_configuration(FunctionName="orders", **members)
        return self.configuration()


def arn(name: str = "orders", *, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str | None]:
    """(code, message) of the refusal that a call must get."""
    try:
        answer = call(**request)
    except AwsError as error:
        return error.code, error.message
    raise AssertionError(f"answered instead of refused: {answer}")


def without(answer: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in names}
