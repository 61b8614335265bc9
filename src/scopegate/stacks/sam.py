"""SAM → CloudFormation by AWS's own translator, in a child: its import is heavy and must not stay.

A child waits for some minutes for the next deployment, which is then as fast as whoever watches files wants it: of the
0.6 s of a small stack the child's start is 0.5.

As a program (`python -m scopegate.stacks.sam`) it reads {"template", "parameters", "region"} as a line of JSON from
standard input and writes {"template"}, {"errors": [{"logical_id", "message"}]} or {"unknown": [{"path", "message"}]}
as another, until its input ends.

The translator passes over keys that it does not know below the first level: an `Auth` with a misspelt `Authorizer`
would be an open route. So templates are held against SAM's own schema first.
"""

import asyncio
import contextlib
import copy
import difflib
import importlib
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from typing import Any, Final

from scopegate.stacks.read import Path, Template, TemplateError

_KEPT_S: Final = 600.0
_LINE_BYTES: Final = 67_108_864  # a template as JSON, translated
_NAMED: Final = re.compile(r"property (\w+) not defined|Event with id \[(\w+)\]|'(\w+)'")
_IN_GLOBALS: Final = re.compile(
    r"'Globals' section is invalid\.(?: '(\w+)' is not (?:a )?supported(?: property of '(\w+)')?)?"
)


class Translators:
    """Lends translators to deployments; one child stays for the next, for some minutes."""

    def __init__(self, kept_s: float = _KEPT_S) -> None:
        self._kept_s = kept_s
        self._idle: asyncio.subprocess.Process | None = None
        self._end: asyncio.TimerHandle | None = None

    @contextlib.asynccontextmanager
    async def lend(self, region: str) -> AsyncIterator["Translator"]:
        """A translator for one deployment."""
        child, self._idle = self._idle, None
        if self._end is not None:
            self._end.cancel()
        translator = Translator(region, None if child is None or child.returncode is not None else child)
        try:
            yield translator
        finally:
            if self._idle is not None or not self._kept_s or not translator.is_sound:
                await translator.end()
            else:
                self._idle = translator.child
                self._end = asyncio.get_running_loop().call_later(self._kept_s, self._let_go)

    def _let_go(self) -> None:
        child, self._idle = self._idle, None
        if child is not None and child.stdin is not None:
            child.stdin.close()  # it ends with its input


class Translator:
    """A child that translates the templates of one deployment; it starts with the first."""

    def __init__(self, region: str, child: asyncio.subprocess.Process | None = None) -> None:
        self._region = region
        self.child = child
        self._asking = False
        self._known: dict[str, dict[str, Any]] = {}

    @property
    def is_sound(self) -> bool:
        """Whether the child waits for the next question."""
        return self.child is not None and self.child.returncode is None and not self._asking

    async def end(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                self.child.kill()  # it keeps nothing
            await self.child.wait()

    async def translate(self, template: Template, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The CloudFormation document of a SAM template.

        parameters: values of template parameters, defaults included.
        Raises TemplateError with the line of the first resource that the translator refuses, and its words.
        """
        asked = {"template": template.document, "parameters": dict(parameters), "region": self._region}
        request = json.dumps(asked)
        answer = self._known.get(request) or await self._ask(request)
        self._known[request] = answer
        for unknown in answer.get("unknown", ()):
            raise template.error(unknown["message"], *unknown["path"])
        if errors := answer.get("errors"):
            first = errors[0]
            path = _place(template, first)
            more = "".join(f"\n  {error['logical_id']}: {error['message']}" for error in errors[1:])
            raise template.error(f"SAM refuses {first['logical_id']}: {first['message']}{more}", *path)
        translated: dict[str, Any] = copy.deepcopy(answer["template"])
        return translated

    async def _ask(self, request: str) -> dict[str, Any]:
        self._asking = True
        if self.child is None:
            self.child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # no module of the folder that the user works in: it may be a stranger's
                "-m",
                __name__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_LINE_BYTES,
            )
        child = self.child
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(request.encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await child.stdin.drain()
        try:
            answer: dict[str, Any] = json.loads(await child.stdout.readline())
        except ValueError as error:
            _, err = await child.communicate()
            why = err.decode(errors="replace").strip().splitlines()[-1:]
            raise TemplateError(f"The SAM translator failed: {why}") from error
        self._asking = False
        return answer


async def translate(template: Template, parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The CloudFormation document of one SAM template, as `Translator.translate`."""
    async with Translators(kept_s=0).lend(region) as translator:
        return await translator.translate(template, parameters)


def _place(template: Template, error: Mapping[str, str]) -> Path:
    """Where an error is: what the translator names within its resource or section, else that, else the section."""
    if found := _IN_GLOBALS.match(error["message"]):
        return ("Globals", *(part for part in (found[2], found[1]) if part))
    if not error["logical_id"]:
        return ("Resources",)
    resource = ("Resources", error["logical_id"])
    named = _NAMED.search(error["message"])
    return template.find_key(named[named.lastindex or 0], *resource) if named else resource


_METHODS: Final = ("any", "delete", "get", "head", "options", "patch", "post", "put")
_SCHEMAS: Final = {
    "AWS::Serverless::Api": "aws_serverless_api",
    "AWS::Serverless::Function": "aws_serverless_function",
    "AWS::Serverless::HttpApi": "aws_serverless_httpapi",
}


def _unknown_keys(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Keys that SAM's schema does not have in any model: their paths and what to say."""
    schemas = {
        kind: importlib.import_module(f"samtranslator.internal.schema_source.{name}") for kind, name in _SCHEMAS.items()
    }
    models = [each for schema in schemas.values() for each in vars(schema).values() if hasattr(each, "__fields__")]
    known = {field.alias for model in models for field in model.__fields__.values()}
    for logical_id, resource in document["Resources"].items():
        if schema := schemas.get(resource["Type"]):
            yield from _extra(schema.Properties, document, ("Resources", logical_id, "Properties"), known)
    for kind, schema in schemas.items():
        yield from _extra(schema.Globals, document, ("Globals", kind.rpartition(":")[2]), known)


def _unknown_methods(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Methods of events that are none: the translator hands them on, and an import passes over them."""
    for logical_id, resource in document["Resources"].items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        events = (resource.get("Properties") or {}).get("Events")
        for name, event in events.items() if isinstance(events, dict) else ():
            if not isinstance(event, dict) or event.get("Type") not in ("Api", "HttpApi"):
                continue
            said = event.get("Properties")
            method = said.get("Method") if isinstance(said, dict) else None
            if isinstance(method, str) and method.lower() not in _METHODS:
                close = difflib.get_close_matches(method.lower(), _METHODS, 1)
                hint = f"; did you mean {close[0]}?" if close else f"; it has {', '.join(_METHODS)}"
                where = ["Resources", logical_id, "Properties", "Events", name, "Properties", "Method"]
                yield {"path": where, "message": f"{logical_id}: API Gateway has no method {method}{hint}"}


def _extra(model: Any, document: Any, place: tuple[str, ...], known: Collection[str]) -> Iterator[dict[str, Any]]:
    """What stands at a place and no model knows. A value that a union of models may be has more than most of them."""
    value = document
    for step in place:
        value = (value.get(step) if isinstance(value, dict) else None) or {}
    try:
        model.parse_obj(value)
    except ValueError as error:
        details: list[dict[str, Any]] = error.errors()  # type: ignore[attr-defined]  # pydantic's, which has no stubs
        for detail in details:
            key = str(detail["loc"][-1])
            if detail["type"] == "value_error.extra" and key not in known and not key.startswith(("Fn::", "Ref")):
                where = place[1] if place[0] == "Resources" else ".".join(place)
                close = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {close[0]}?" if close else ""
                yield {"path": [*place, *detail["loc"]], "message": f"{where}: SAM knows no {key} here{hint}"}


def _main() -> None:
    logging.disable()  # nobody reads what the translator notes
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line)), default=str) + "\n")
        sys.stdout.flush()


def _give_places(document: dict[str, Any]) -> None:
    """Definitions of state machines are recorded, not read: a place in a bucket stands for a local file."""
    for resource in document["Resources"].values():
        properties = resource.get("Properties")
        if resource["Type"] == "AWS::Serverless::StateMachine" and isinstance(properties, dict):
            given = properties.get("DefinitionUri")
            if isinstance(given, str) and not given.startswith("s3://"):
                properties["DefinitionUri"] = {"Bucket": "recorded", "Key": given}


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    # Imported here because only the child may hold them in memory.
    import boto3  # noqa: PLC0415
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    if unknown := [*_unknown_keys(request["template"]), *_unknown_methods(request["template"])]:
        return {"unknown": unknown}
    _give_places(request["template"])
    session = boto3.session.Session(region_name=request["region"])
    translator = Translator({}, Parser(), boto_session=session)
    try:
        return {"template": translator.translate(request["template"], request["parameters"])}
    except InvalidDocumentException as error:
        causes = sorted(error.causes, key=str) or [error]
        return {
            "errors": [
                {
                    "logical_id": getattr(cause, "_logical_id", "") or "",
                    "message": getattr(cause, "message", str(cause)),
                }
                for cause in causes
            ]
        }


if __name__ == "__main__":
    _main()
