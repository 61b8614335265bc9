"""`/_scopegate/api`: what the command line and the console ask beyond AWS's own operations.

Signed as service `scopegate`, under the guard of the control plane. Answers are JSON; long work answers a stream of
JSON lines. The table `ROUTES` is the whole of it.

GET  overview              pools, clients, APIs with their routes, functions
GET  decisions             the newest decision records          ?count=
GET  decisions/{id}        the records of a request id or of a token's jti, token first
GET  logs                  what functions and stages wrote, and `next`     ?function= or log group &lines= &since=next
GET  artifacts/{sha256}    whether the server holds a package; it then stays for a deployment that follows → {"held"}
PUT  artifacts/{sha256}    packed code, for a deployment that follows
GET  stacks                stacks and their outputs, nested ones with their parents
POST stacks/{name}         deploy: {"template", "file", "parameters", "code", "files", "skipUnknown"} → events, last
                           {"outputs"} or {"error"}
DELETE stacks/{name}       delete a stack → events, last {"deleted"} or {"error"}
POST plans/{name}          what a deployment of the same body would do → {"steps", "notes"}; nothing is changed;
                           "coming": exports that are to be made before it

"code" is logical id → properties that name what was uploaded, "files" is name → {"text", "code"} of the files that the
template names.
{"error"} comes with "refused" when nothing was begun because of a fault in the template, and with "undone" when
everything that a deployment had done is undone.
"""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qs, unquote, urlsplit

import orjson
import structlog

from scopegate.aws.operations import Caller
from scopegate.base import clock, names
from scopegate.base.errors import AwsError, SetupError
from scopegate.base.settings import Settings
from scopegate.functions.runtimes import find_warning
from scopegate.http.message import Request, Response
from scopegate.observe.groups import Group, LogGroups
from scopegate.ports import Plan, Ports
from scopegate.server.hosts import LOCALSTACK
from scopegate.server.world import World
from scopegate.stacks import deploy as stacks
from scopegate.stacks import queries as stack_queries
from scopegate.stacks.answers import Answers
from scopegate.stacks.check import check
from scopegate.stacks.checks.rules import Report
from scopegate.stacks.files import SentFiles
from scopegate.stacks.model import STACK_NAME, Stack
from scopegate.stacks.prepare import Sent
from scopegate.stacks.read import Template, TemplateError, read_template
from scopegate.stacks.run import StackRefused
from scopegate.stacks.sam import Translators
from scopegate.stacks.types.resource_type import Aws
from scopegate.store.port import Store, StoreUnavailable, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.messages import queries as messages

log = structlog.get_logger()

_JSON: Final = (b"Content-Type", b"application/json")
_LINES: Final = (b"Content-Type", b"application/x-ndjson")
_PIECE_BYTES: Final = 1_048_576
_APIS: Final = ("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api")
_UPLOAD_S: Final = 3600  # a deployment follows its uploads sooner than this


@dataclass(frozen=True, slots=True)
class OwnApi:
    """What the routes need.

    answers: of custom resources. decisions, logs: ask every process that holds some. busy: stacks being deployed.
    """

    settings: Settings
    store: Store
    ports: Ports
    public_url: str
    seal: Sealer
    artifacts: Path
    answers: Answers
    world: Callable[[], World]
    decisions: Callable[[str | None, int], Awaitable[Sequence[dict[str, Any]]]]
    logs: Callable[[str, str, str, int, int | None], Awaitable[tuple[Sequence[str], int]]]
    log_groups: LogGroups
    busy: set[tuple[str, str, str]] = field(default_factory=set)
    translators: Translators = field(default_factory=Translators)

    async def answer(self, request: Request, path: str, caller: Caller, region: str) -> Response:
        """Raises AwsError for what is not there; the caller renders it."""
        name, _, rest = path.removeprefix("api/").partition("/")
        query = parse_qs((request.query or b"").decode("latin-1"))
        match request.method, name:
            case "GET", "overview" if not rest:
                return _json(self.overview(caller.account, region))
            case "GET", "decisions":
                count = _count(query, "count", 20)
                records = await self.decisions(unquote(rest) or None, count)
                if rest and not records:
                    message = f"No decision {unquote(rest)} is remembered; each edge keeps its newest ones."
                    raise AwsError("ResourceNotFoundException", message, status=404)
                return _json({"records": list(records)})
            case "GET", "logs" if not rest:
                name, since = query.get("function", [""])[0], query.get("since", [""])[0]
                return _json(await self.log_lines(caller.account, region, name, _count(query, "lines", 50), since))
            case "GET", "outbox" if not rest:
                user, since = query.get("user", [""])[0], query.get("since", ["0"])[0]
                return _json(await self.outbox(caller.account, region, user, _count(query, "count", 100), since))
            case (("GET" | "PUT"), "artifacts"):
                return await self.artifact(request, rest, caller.account)
            case "GET", "stacks" if not rest:
                found = await self.stacks(caller.account, region)
                return _json({"stacks": stacks_overview(found)})
            case (("POST" | "DELETE"), "stacks") if STACK_NAME.fullmatch(rest):
                return self.stack(request, rest, caller, region)
            case "POST", "plans" if STACK_NAME.fullmatch(rest):
                return await self.plan(request, rest, caller, region)
        raise AwsError("ResourceNotFoundException", f"There is no {request.method} /_scopegate/{path}", status=404)

    def overview(self, account: str, region: str) -> dict[str, Any]:
        world = self.world()
        pools = [pool for pool in world.userpools.pool_by_id.values() if pool.account == account]
        clients = sorted(world.userpools.client_by_id, key=lambda client: client.name)
        return {
            "mode": "development" if self.settings.development else "production",
            "pools": [
                {
                    "id": pool.pool_id,
                    "name": pool.name,
                    "issuer": pool.issuer,
                    "domains": list(pool.domains),
                    "clients": [
                        {"id": client.client_id, "name": client.name, "scopes": list(client.custom_scopes)}
                        for client in clients
                        if client.pool_id == pool.pool_id
                    ],
                }
                for pool in sorted(pools, key=lambda pool: pool.name)
                if pool.region == region
            ],
            "apis": apis_overview(self.ports.plans(), self.public_url),
            "functions": [
                {
                    "name": function.ref.name,
                    "arn": function.ref.arn,
                    "runtime": function.runtime,
                    "warning": find_warning(function.runtime),
                }
                for function in world.functions.all_functions()
                if (function.ref.account, function.ref.region) == (account, region)
            ],
        }

    async def outbox(self, account: str, region: str, user: str, count: int, since: str) -> dict[str, Any]:
        """Messages to users, the newest first to last: of one user or address, or of all.

        since: `next` of an earlier answer: what was written after it.
        """
        after = int(since) if since.isascii() and since.isdecimal() and len(since) < 19 else 0
        sent = await self.store.read(
            lambda tx: messages.list_messages(tx, self.seal, account, region, since=after, username=user, size=count)
        )
        shown = [
            {
                "number": each.number,
                "sentAt": each.created_at,
                "userPoolId": each.message.pool_id,
                "username": each.message.username,
                "medium": each.message.medium,
                "destination": each.message.destination,
                "purpose": each.message.purpose,
                "subject": each.message.subject,
                "body": each.message.body,
            }
            for each in sent
        ]
        return {"messages": shown, "next": str(sent[-1].number if sent else after)}

    async def log_lines(self, account: str, region: str, name: str, lines: int, since: str) -> dict[str, Any]:
        """The last lines of one function or log group, or of all, each then behind its name.

        since: `next` of an earlier answer: what was written after it. Both are `name:position`, by commas.
        """
        positions = dict(_positions(since))
        functions = {
            function.ref.name
            for function in self.world().functions.all_functions()
            if (function.ref.account, function.ref.region) == (account, region)
        }
        written_to = functions | set(self.log_groups.names(account, region))
        if name and name not in written_to:
            message = f"There is no function {name} in {region}, and nothing in a log group of that name"
            raise AwsError("ResourceNotFoundException", message, status=404)
        found: list[str] = []
        reached = []
        for each in [name] if name else sorted(written_to):
            # What is new since then is read from its beginning.
            position = positions.get(each, 0) if since else None
            if each in functions:
                written, now = await self.logs(account, region, each, lines, position)
            else:
                written, now = self.log_groups.read(Group(account, region, each), lines, position)
            found += written if name else [f"{each}: {line}" for line in written]
            reached.append(f"{each}:{now}")
        return {"lines": found, "next": ",".join(reached) or ":"}

    async def artifact(self, request: Request, sha256: str, account: str) -> Response:
        """Uploads are of one account, and found by their digest only."""
        path = names.artifact_path(self.settings.data_dir, account, sha256)
        if path is None:
            raise AwsError("InvalidParameterValueException", "An artifact is named by its digest, 64 of [0-9a-f]")
        if request.method == "GET":
            return _json({"held": await asyncio.to_thread(_touch, path)})
        body = request.body_file or io.BytesIO(request.body)
        if await asyncio.to_thread(_write, path, body) != sha256:
            raise AwsError("InvalidParameterValueException", "The body is not what the digest in the path says")
        return _json({"sha256": sha256})

    def stack(self, request: Request, name: str, caller: Caller, region: str) -> Response:
        """Deploy or delete; the answer tells the events as they come. One at a time for each stack."""
        events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        say = events.put_nowait
        key = (caller.account, region, name)
        aws = self.aws(name, caller, region)

        async def work() -> None:
            if request.method == "DELETE":
                found = await stacks.delete(self.store, self.seal, aws, say)
                say({"deleted": name} if found else {"error": f"There is no stack {name}"})
                return
            asked = _read_deployment(request.body)
            for note in asked.template.notes:
                say({"note": note})
            exports = await self.exports(caller.account, region, name)
            what = (asked.template, asked.parameters, exports)
            done = await stacks.deploy(self.store, self.seal, aws, *what, say, asked.sent, self.translators)
            with contextlib.suppress(StoreUnavailable):  # the next deployment tidies up
                await self.drop_artifacts()
            for note in await self.warnings(caller.account, region, done):
                say({"note": note})
            say({"outputs": done.outputs, "status": done.status})

        async def tell() -> None:
            """← Whatever happens, the last event says how it ended."""
            if key in self.busy:
                say({"error": f"Stack {name} is being changed by another deployment; try again when that has ended"})
                say(None)
                return
            self.busy.add(key)
            try:
                await work()
            except (TemplateError, StackRefused) as error:
                say({"error": str(error), "refused": True})
            except SetupError as error:
                say({"error": str(error)})
            except stacks.DeploymentFailed as error:
                undone = request.method == "POST" and not error.leftovers
                say({"error": str(error), **({"undone": True} if undone else {})})
            except AwsError as error:
                say({"error": str(error.message)})
            except StoreUnavailable:
                say({"error": "The database cannot be reached; the next deployment undoes what this one had begun"})
            except Exception:
                log.exception("stack.failed", stack=name)
                say({"error": "This server failed, its log says how; the next deployment undoes what had begun"})
            finally:
                self.busy.discard(key)
                say(None)

        async def lines() -> AsyncIterator[bytes]:
            task = asyncio.create_task(tell())
            try:
                while (event := await events.get()) is not None:
                    yield orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)
            finally:
                await task

        return Response(200, [_LINES], stream=lines())

    async def plan(self, request: Request, name: str, caller: Caller, region: str) -> Response:
        try:
            asked = _read_deployment(request.body)
            notes = list(asked.template.notes)
            aws = replace(self.aws(name, caller, region), note=notes.append)
            exports = await self.exports(caller.account, region, name)
            what = (asked.template, asked.parameters, exports)
            steps = await stacks.plan(self.store, self.seal, aws, *what, asked.sent, self.translators)
        except SetupError as error:
            raise AwsError("ValidationException", str(error)) from error
        shown = [{"action": step.action, "logicalId": step.logical_id, "type": step.type} for step in steps]
        return _json({"steps": shown, "notes": notes})

    async def check(
        self,
        body: bytes,
        name: str,
        caller: Caller,
        region: str,
        code: Mapping[tuple[str, str], Path],
        ignore: Collection[str],
    ) -> Report:
        """What there is to say of the deployment of a body as `stacks` takes it; it is deployed, into this store.

        Of no route: for a store that goes away. Raises TemplateError for what cannot be read.
        """
        asked = _read_deployment(body)
        exports = await self.exports(caller.account, region, name)
        aws = self.aws(name, caller, region)
        what = (asked.template, asked.parameters, exports)
        return await check(self.store, self.seal, self.ports, aws, *what, code, ignore, asked.sent, self.translators)

    def aws(self, stack_name: str, caller: Caller, region: str) -> Aws:
        async def call(
            service: str, operation: str, shape: dict[str, Any], also: Callable[[Tx, Any], None] | None = None
        ) -> dict[str, Any]:
            return await self.ports.call_aws(service, operation, shape, region=region, caller=caller, also=also)

        def read_artifact(key: str) -> bytes:
            path = names.artifact_path(self.settings.data_dir, caller.account, key)
            if path is None:
                raise FileNotFoundError(key[:80])
            return path.read_bytes()

        return Aws(call, self.answers, caller.account, region, stack_name, read_artifact)

    async def stacks(self, account: str, region: str) -> Sequence[Stack]:
        return await self.store.read(lambda tx: stack_queries.list_stacks(tx, self.seal, account, region))

    async def exports(self, account: str, region: str, but: str) -> dict[str, str]:
        found = await self.stacks(account, region)
        return {name: value for stack in found if stack.name != but for name, value in stack.exports.items()}

    async def warnings(self, account: str, region: str, stack: Stack) -> list[str]:
        """What callers of a stack's APIs will meet that its template does not say."""
        found = await self.stacks(account, region)
        stacks_of_it = (stack, *stacks.nested_in(stack, found))
        made = {made.physical_id for each in stacks_of_it for made in each.resources.values() if made.type in _APIS}
        told = []
        for plan in self.ports.plans():
            if plan.api_id in made:
                route = f"{plan.method} {plan.path} of {plan.api_name}, stage {plan.stage}".lstrip()
                told += [f"{route}: {warning}" for warning in plan.warnings]
                told += [f"{route} is closed, every call is refused: {plan.closed}"] if plan.closed else []
        return told

    async def drop_artifacts(self) -> None:
        """Delete uploaded code that no stack is made of; what is young may be for a deployment that follows."""
        used = await self.store.read(lambda tx: stack_queries.used_artifacts(tx, self.seal))
        await asyncio.to_thread(_drop, self.artifacts, used, clock.real_now() - _UPLOAD_S)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A deployment as it was asked for: the template as the user wrote it, so that its lines are theirs."""

    template: Template
    parameters: dict[str, str]
    sent: Sent


def _read_deployment(body: bytes) -> _Asked:
    """Raises SetupError."""
    try:
        asked = json.loads(body)
        files = asked.get("files", {})
        texts = SentFiles({str(name): _text(each["text"]) for name, each in files.items()})
        template = read_template(_text(asked["template"]), _text(asked.get("file", "template")), texts)
        code = {name: _code(each.get("code", {})) for name, each in files.items()}
        code[template.file] = _code(asked.get("code", {}))
        coming = tuple(str(name) for name in asked.get("coming", ()))
        sent = Sent(texts, code, skip_unknown=asked.get("skipUnknown") is True, coming=coming)
        parameters = {str(name): str(value) for name, value in asked.get("parameters", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SetupError("The request is not {template, file, parameters, code, files} in JSON") from None
    return _Asked(template, parameters, sent)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _code(value: Any) -> dict[str, dict[str, Any]]:
    return {str(logical_id): dict(properties) for logical_id, properties in value.items()}


def stacks_overview(stacks: Sequence[Stack]) -> list[dict[str, Any]]:
    names_by_id = {stack.stack_id: stack.name for stack in stacks}
    return [
        {
            "name": stack.name,
            "status": stack.status,
            "outputs": stack.outputs,
            "parent": names_by_id.get(stack.parent, ""),
        }
        for stack in stacks
    ]


def apis_overview(plans: Sequence[Plan], public_url: str) -> list[dict[str, Any]]:
    """Plans of routes, gathered by API and stage, with the URLs under which they answer.

    hostUrl: "" where the public URL is of a host below which no API answers.
    """
    apis: dict[tuple[str, str], dict[str, Any]] = {}
    parts = urlsplit(public_url)
    for plan in plans:
        suffix = "" if plan.stage == "$default" else f"/{plan.stage}"
        by_host = f"{parts.scheme}://{plan.api_id}.execute-api.{parts.netloc}{suffix}"
        api = apis.setdefault(
            (plan.api_id, plan.stage),
            {
                "id": plan.api_id,
                "name": plan.api_name,
                "kind": plan.api_kind,
                "stage": plan.stage,
                "url": f"{public_url}/_aws/execute-api/{plan.api_id}{suffix}",
                "hostUrl": by_host if parts.hostname in ("localhost", LOCALSTACK) else "",
                "routes": [],
            },
        )
        if plan.path:
            api["routes"].append(
                {
                    "method": plan.method,
                    "path": plan.path,
                    "authorizer": plan.authorizer,
                    "scopes": list(plan.scopes),
                    "integration": plan.integration,
                    "closed": plan.closed,
                    "warnings": list(plan.warnings),
                }
            )
    return list(apis.values())


def _touch(path: Path) -> bool:
    """Whether a file is there; it counts as young then."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _write(path: Path, body: BinaryIO) -> str:
    """Copy a body to a file of its own, which takes its name when that is the digest of what was copied; the digest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, part = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    body.seek(0)
    with open(descriptor, "wb") as file:
        while piece := body.read(_PIECE_BYTES):
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() == path.name:
        Path(part).rename(path)
    else:
        Path(part).unlink()
    return digest.hexdigest()


def _drop(folder: Path, used: Container[str], before: float) -> None:
    for path in folder.glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            if path.name not in used and path.stat().st_mtime < before:
                path.unlink()


def _json(value: Any) -> Response:
    return Response(200, [_JSON], orjson.dumps(value))


def _positions(since: str) -> Iterator[tuple[str, int]]:
    for part in since.split(","):
        name, _, position = part.rpartition(":")
        if name and position.isascii() and position.isdigit():
            yield name, int(position)


def _count(query: dict[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[0]
    return min(int(text), 10_000) if text.isascii() and text.isdigit() else default
