"""`check`: a template as a careful reviewer reads it: for people, as JSON, or as SARIF for code hosts.

The server that it is deployed into has no port and no functions, and ends with its folder; so does what it wrote.
"""

import asyncio
import contextlib
import difflib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from rich.console import Console
from rich.markup import escape

import scopegate
from scopegate.aws.operations import Caller
from scopegate.base.errors import SetupError
from scopegate.base.settings import DEFAULT_ACCOUNT, Settings, read_settings
from scopegate.cli import render, stacks
from scopegate.http.message import Request
from scopegate.observe.log import configure
from scopegate.server import processes
from scopegate.server.app import build_throwaway, open_operations
from scopegate.server.control import Control
from scopegate.server.launch import Launch
from scopegate.stacks.build import local_code
from scopegate.stacks.check import fault
from scopegate.stacks.checks.rules import NEVER_IGNORED, RULES, Finding, Report
from scopegate.stacks.project import Project, in_order, read_project
from scopegate.stacks.read import TemplateError
from scopegate.stacks.sam import Translators

_CALLER: Final = Caller(DEFAULT_ACCOUNT, f"arn:aws:iam::{DEFAULT_ACCOUNT}:root", DEFAULT_ACCOUNT, "check")
_COLOURS: Final = {"error": "red", "warning": "yellow", "note": "cyan"}
_DOCS: Final = "docs/check.md"
_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def check(
    files: Sequence[Path], parameters: Mapping[str, str], ignore: Sequence[str], *, skip_unknown: bool = False
) -> list[Report]:
    """A report on each file, in order. A file that imports what another's stack exports is checked beside it.

    Raises SetupError for a rule or a parameter that does not exist, and for a file that cannot be read.
    """
    for rule in ignore:
        if rule not in RULES or rule in NEVER_IGNORED:
            near = difflib.get_close_matches(rule, RULES.keys() - NEVER_IGNORED, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; {_DOCS} lists them"
            raise SetupError(f"--ignore: there is no rule {rule!r} to ignore{hint}")
    configure(role="check", level="ERROR")
    region = read_settings({}).region
    read: dict[Path, Project | TemplateError] = {}
    for file in dict.fromkeys(files):
        try:
            read[file] = read_project(file, parameters, region, stacks.stack_name(None, file), shared=True)
        except TemplateError as error:
            read[file] = error
    projects = [each for each in read.values() if isinstance(each, Project)]
    known = {name for project in projects for name in project.template.document.get("Parameters") or {}}
    if len(projects) == len(read) and (strange := sorted(parameters.keys() - known)):
        raise SetupError(f"None of the templates has a parameter {', '.join(strange)}")
    return asyncio.run(_check(read, in_order(projects), ignore, skip_unknown=skip_unknown))


async def _check(
    read: Mapping[Path, Project | TemplateError],
    ordered: Sequence[Project],
    ignore: Collection[str],
    *,
    skip_unknown: bool,
) -> list[Report]:
    reports: list[Report] = []
    operations, translators = open_operations(), Translators()
    for file, project in read.items():
        if isinstance(project, TemplateError):
            reports.append(Report(str(file), findings=(fault(project, str(file)),)))
            continue
        async with contextlib.AsyncExitStack() as stack:
            wanted = Settings(development=True, ephemeral=True, region=read_settings({}).region)
            settings, run_dir = stack.enter_context(processes.directories(wanted))
            launch = Launch("all", settings, run_dir, settings.port, f"http://localhost:{settings.port}")
            control = await build_throwaway(launch, stack, operations, translators)
            for index, needed in enumerate(_needed(project, ordered)):
                named = replace(needed, stack_name=f"{needed.stack_name[:120]}-{index}")
                await _report(control, settings.region, named, (), skip_unknown=True)
            reports.append(await _report(control, settings.region, project, ignore, skip_unknown=skip_unknown))
    return reports


def _needed(project: Project, ordered: Sequence[Project]) -> list[Project]:
    """The stacks whose exports a stack imports, and those that these import from, in order."""
    needed: list[Project] = []
    imports = project.imports()
    for other in reversed(ordered[: ordered.index(project)]):
        if imports & other.exports():
            needed.append(other)
            imports |= other.imports()
    return needed[::-1]


async def _report(
    control: Control, region: str, project: Project, ignore: Collection[str], *, skip_unknown: bool
) -> Report:
    """Deploy one stack as `deploy` does, but for builds, and see what is to be said."""
    file = project.template.file
    code = {
        (template.file, each.logical_id): each.path for template in project.written for each in local_code(template)
    }
    try:
        uploaded = await asyncio.to_thread(project.package, _Inside(control, region))
        body = stacks.deployment(project, uploaded, skipUnknown=skip_unknown)
        return await control.own.check(body, project.stack_name, _CALLER, region, code, ignore)
    except TemplateError as error:
        return Report(file, findings=(fault(error, file),))


class _Inside:
    """This server's own API without a wire, for what runs in another thread."""

    def __init__(self, control: Control, region: str) -> None:
        self._control = control
        self._region = region
        self._loop = asyncio.get_running_loop()

    def own(self, method: str, path: str, body: bytes | BinaryIO = b"") -> Any:
        request = Request(method, f"/_scopegate/api/{path}".encode(), [], body if isinstance(body, bytes) else b"")
        request.body_file = None if isinstance(body, bytes) else body
        answer = self._control.own.answer(request, f"api/{path}", _CALLER, self._region)
        return json.loads(asyncio.run_coroutine_threadsafe(answer, self._loop).result().body)


def exit_code(reports: Sequence[Report], *, strict: bool) -> int:
    failing = ("error", "warning") if strict else ("error",)
    return int(any(finding.severity in failing for report in reports for finding in report.findings))


# For people


def show(console: Console, reports: Sequence[Report]) -> None:
    """Each file with its routes, then what was found, each with its place as editors take it, then how many."""
    for report in reports:
        render.line(console, f"[bold]{escape(report.file)}[/bold]")
        for api in report.apis:
            title = f"{api['api']} ({api['kind']} API {api['name']}, stage {api['stage']})"
            render.line(console, f"  [bold]{escape(_printable(title))}[/bold]")
            render.routes(console, api["routes"])
        for note in report.notes:
            render.note(console, _printable(note))
        for finding in report.findings:
            _show(console, finding)
        render.line(console)
    found = [finding for report in reports for finding in report.findings]
    counted = Counter(finding.severity for finding in found)
    ignored = sum(report.ignored for report in reports)
    shown = [_count(counted[severity], severity) for severity in _COLOURS if counted[severity]]
    shown += [f"{ignored} ignored"] if ignored else []
    render.line(console, ", ".join(shown) or "nothing to say")


def _show(console: Console, finding: Finding) -> None:
    colour = _COLOURS[finding.severity]
    where = escape(_place(finding))
    message = escape(_printable(finding.message))
    said = f"[{colour}]{finding.severity}[/{colour}]: {message} [dim]\\[{finding.rule}][/dim]"
    render.line(console, f"{where}: {said}")
    for line in finding.snippet.splitlines():
        render.line(console, f"    [green]{escape(_printable(line))}[/green]")


def _printable(text: str) -> str:
    """Words of a template are not words to the terminal, or to whatever reads the log of a build line by line."""
    lines = ("".join(each if each.isprintable() else " " for each in line) for line in text.splitlines())
    return "\n    | ".join(lines)


def _place(finding: Finding) -> str:
    return finding.file + (f":{finding.line}" if finding.line is not None else "")


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


# For machines


def as_json(reports: Sequence[Report]) -> str:
    """As docs/check.md describes it."""
    found = [finding for report in reports for finding in report.findings]
    counted = Counter(finding.severity for finding in found)
    document = {
        "version": 1,
        "files": [
            {"file": report.file, "apis": list(report.apis), "notes": list(report.notes), "ignored": report.ignored}
            for report in reports
        ],
        "findings": [
            {
                "rule": finding.rule,
                "severity": finding.severity,
                "message": finding.message,
                "file": finding.file,
                "line": finding.line,
                "resource": finding.owners[0] if finding.owners else None,
                "snippet": finding.snippet or None,
            }
            for finding in found
        ],
        "summary": {f"{severity}s": counted[severity] for severity in _COLOURS},
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_sarif(reports: Sequence[Report]) -> str:
    """SARIF 2.1.0: one run, every rule, a result for each finding; files relative to the working directory."""
    ids = list(RULES)
    rules = [
        {
            "id": rule,
            "shortDescription": {"text": RULES[rule].says},
            "fullDescription": {"text": RULES[rule].why},
            "help": {"text": f"{RULES[rule].why} See {_DOCS}#{rule}."},
            "defaultConfiguration": {"level": RULES[rule].severity},
        }
        for rule in ids
    ]
    results = [_result(finding, ids) for report in reports for finding in report.findings]
    driver = {
        "name": "scopegate",
        "version": scopegate.__version__,
        "semanticVersion": scopegate.__version__,
        "rules": rules,
    }
    base = {"%SRCROOT%": {"description": {"text": "The folder in which the command ran."}}}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": base,
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)


def _result(finding: Finding, ids: Sequence[str]) -> dict[str, Any]:
    text = finding.message + (f"\n\nMend it with:\n\n{finding.snippet}" if finding.snippet else "")
    place: dict[str, Any] = {"artifactLocation": _artifact(finding.file)}
    if finding.line is not None:
        place["region"] = {"startLine": finding.line}
    return {
        "ruleId": finding.rule,
        "ruleIndex": ids.index(finding.rule),
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }


def _artifact(file: str) -> dict[str, str]:
    relative = os.path.relpath(file)
    if relative.startswith(os.pardir):
        return {"uri": Path(file).absolute().as_uri()}
    return {"uri": Path("/", relative).as_uri().removeprefix("file:///"), "uriBaseId": "%SRCROOT%"}
