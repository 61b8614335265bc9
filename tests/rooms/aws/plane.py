"""The control role's front door on a real database, with the account family behind it."""

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import orjson

from scopegate.account import compile as account
from scopegate.account import keys, sessions
from scopegate.account.model import NewKey
from scopegate.account.operations import iam, sts
from scopegate.aws.control import Control
from scopegate.aws.operations import Caller, Operation, Table
from scopegate.aws.policy import Context, Decision
from scopegate.aws.registry import table
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.http.message import Request, Response
from scopegate.ports import AccessKey, CompileContext
from scopegate.server import guard
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.sqlite import open_sqlite
from tests.database import empty_database
from tests.rooms.aws.wires import MODELS, as_answer, as_request, signed

T = TypeVar("T")

ACCOUNT = "000000000000"
ROOT = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "test")
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/service/orders"


@cache
def operations() -> Table:
    return table({"iam": iam, "sts": sts}, MODELS)


class Plane:
    """One control role: its store, its account view, and clients of it."""

    def __init__(self, path: Path, *, development: bool = True, more: dict[tuple[str, str], Operation] | None = None):
        file = path / f"scopegate-{development}.db"
        file.write_bytes(empty_database())
        self.loop = asyncio.Runner()
        self.store = open_sqlite(file)
        self.seal = Sealer(bytes(range(32)))
        self.settings = Settings(development=development)
        unbuilt: Any = None
        self.context = CompileContext(self.settings, self.seal, unbuilt)
        self.view = self.loop.run(self.store.read(lambda tx: account.compile_all(tx, self.context)))
        self.compiled = 0
        self._admin_key: NewKey | None = None
        self.published: list[int] = []
        self.control: Control[Any] = Control(
            models=MODELS,
            table={**operations(), **(more or {})},
            settings=self.settings,
            store=self.store,
            seal=self.seal,
            ports=unbuilt,
            find_access_key=self._find_access_key,
            allows=self._allows,
            refusal_of_control=lambda request: guard.refusal_of_control(request, self.settings),
            published=self._publish,
        )

    def _find_access_key(self, access_key_id: str, session_token: str | None) -> AccessKey | None:
        return self.view.find_access_key(access_key_id, session_token)

    def _allows(self, caller: Caller, action: str, resource: str, context: Context) -> Decision:
        return self.view.identities.allows(caller, action, resource, context)

    async def _publish(self, number: int) -> None:
        changes = await self.store.changes(self.compiled)
        self.view = await self.store.read(
            lambda tx: account.compile_changed(tx, self.view, list(changes), self.context)
        )
        self.compiled = number
        self.published.append(number)

    def write(self, transaction: Callable[[Tx], T]) -> T:
        async def run() -> T:
            written = await self.store.write(transaction)
            if written.change is not None:
                await self._publish(written.change)
            return written.result

        return self.loop.run(run())

    def admin_key(self) -> NewKey:
        """An operator's key, the same as long as nobody revokes it."""
        if self._admin_key is None or self._admin_key.access_key_id not in self.view.key_by_id:
            self._admin_key = self.write(lambda tx: keys.create_key(tx, self.seal, now=1.5))
        return self._admin_key

    def session(self, name: str = "orders") -> AccessKey:
        return sessions.mint_session(self.seal, ROLE_ARN, name)

    def send(self, request: Request) -> Response:
        return self.loop.run(self.control.answer(request))

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """One signed call as boto3 makes it; refusals are AwsErrors."""
        return self.call_by({}, service, operation, **members)

    def call_by(self, credentials: Mapping[str, Any], service: str, operation: str, **members: Any) -> dict[str, Any]:
        """One call signed by these credentials, as IAM or STS answered them."""
        known = MODELS.operation(service, operation)
        names = {"AccessKeyId": "key", "SecretAccessKey": "secret", "SessionToken": "token"}
        given = {names[name]: value for name, value in credentials.items() if name in names}
        response = self.send(signed(as_request(known, members), known.service.signing_name, **given))
        answer = as_answer(known, response)
        if "Error" in answer:
            raise AwsError(answer["Error"]["Code"], answer["Error"]["Message"], status=response.status)
        answer.pop("ResponseMetadata")
        return answer

    def close(self) -> None:
        self.loop.run(self.store.close())
        self.loop.close()


def code_of(response: Response) -> str:
    """The error code of an answer, from whichever protocol."""
    for name, value in response.headers:
        if name.lower() == b"x-amzn-errortype":
            return value.decode().rstrip(":")
    text = response.body.decode()
    return text.partition("<Code>")[2].partition("</Code>")[0]


def message_of(response: Response) -> str:
    text = response.body.decode()
    if text.startswith("<"):
        return text.partition("<Message>")[2].partition("</Message>")[0]
    document = orjson.loads(text)
    return str(document.get("message", document.get("Message")))
