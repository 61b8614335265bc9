"""Stacks from the command line: local files go up, events and outputs come back. The work itself is the server's."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.base.settings import read_settings
from scopegate.cli import render
from scopegate.cli.client import Client, StackFailed, StackLeft
from scopegate.functions.runtimes import find_interpreter
from scopegate.stacks.build import Remembered
from scopegate.stacks.builders import Builder
from scopegate.stacks.model import STACK_NAME
from scopegate.stacks.project import Project, in_order, read_project

Show = Callable[[Mapping[str, Any]], None]
"""What is told of each event of the work on a stack."""

TEMPLATE_NAMES: Final = ("template.yaml", "template.yml", "template.json")


def find_template(folder: Path) -> Path:
    """The template of a folder, by the names that `sam` looks for. Raises SetupError when there is none."""
    for name in TEMPLATE_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise SetupError(
        f"There is no {', '.join(TEMPLATE_NAMES)} here; name a file (scopegate up FILE), "
        "or start an empty server: scopegate serve --dev"
    )


@dataclass(frozen=True, slots=True)
class Order:
    """What a command is to deploy.

    files: each is a stack of its own. name: of the one stack; None names it after its folder. parameters: each goes to
    the templates that have it. skip_unknown: resources of types that nothing here can make are left out.
    """

    files: tuple[Path, ...]
    name: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    skip_unknown: bool = False

    def read(self, region: str) -> list[Project]:
        """The stacks, each after those whose exports it imports. Raises SetupError."""
        alone = len(self.files) == 1
        if self.name is not None and not alone:
            raise SetupError("--name names one stack: of several files each is named after itself")
        named: dict[str, Path] = {}
        for file in self.files:
            name = stack_name(self.name, file, alone=alone)
            if name in named:
                raise SetupError(f"{named[name]} and {file} would both be stack {name}; deploy one with --name")
            named[name] = file
        projects = [read_project(file, self.parameters, region, name, shared=not alone) for name, file in named.items()]
        if strange := sorted(self.parameters.keys() - set[str]().union(*(each.parameters for each in projects))):
            raise SetupError(f"None of the templates has a parameter {', '.join(strange)}")
        return in_order(projects)


def stack_name(given: str | None, file: Path, *, alone: bool = True) -> str:
    """The name as given; else the folder's name, as `sam` would offer it, or of one among several files its own."""
    if given is not None:
        if not STACK_NAME.fullmatch(given):
            raise SetupError(f"--name takes a letter, then letters, digits and hyphens, at most 128; got {given!r}")
        return given
    base = file.resolve().parent.name if alone or file.name in TEMPLATE_NAMES else file.stem
    name = "".join(character if character.isalnum() and character.isascii() else "-" for character in base)
    name = name.strip("-")
    return (name if name[:1].isalpha() else f"stack-{name}".rstrip("-"))[:128]


def make_builder(console: Console) -> Builder:
    """What builds code on this machine, and tells the console what takes time."""
    chosen = read_settings({}).cache_dir
    cache = chosen or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scopegate"

    def say(text: str) -> None:
        console.print(f"  {text}", markup=False, highlight=False, soft_wrap=True)

    return Builder(find_interpreter, cache.absolute(), say)


def deploy(
    console: Console,
    client: Client,
    project: Project,
    *,
    builder: Builder | None = None,
    remembered: Remembered | None = None,
    show: Show | None = None,
    skip_unknown: bool = False,
) -> dict[str, Any]:
    """Build and upload local code, deploy, show progress; the stack's outputs.

    builder: None takes code as it lies there. remembered: what went up before, and then what goes up now. show: is told
    of each event, in place of the console.
    Raises StackFailed with the first cause, SetupError when nothing was begun.
    """
    name = project.stack_name
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    body = deployment(project, project.package(client, builder, remembered), skipUnknown=skip_unknown)
    if show is None:
        with render.Progress(console) as progress:
            outputs: dict[str, Any] = _follow(client, "POST", name, body, progress.show)["outputs"]
    else:
        outputs = _follow(client, "POST", name, body, show)["outputs"]
    render.outputs(console, outputs, indent="  ")
    console.print()
    return outputs


def plan(
    console: Console,
    client: Client,
    projects: Sequence[Project],
    *,
    builder: Builder | None = None,
    skip_unknown: bool = False,
) -> None:
    """Show what `deploy` would do with each. Nothing is changed, nothing is installed, no code is uploaded."""
    if builder is not None:
        builder = replace(builder, installs=False)
    coming: set[str] = set()
    for project in projects:
        code = project.package(None, builder)
        body = deployment(project, code, skipUnknown=skip_unknown, coming=sorted(coming))
        planned = client.own("POST", f"plans/{project.stack_name}", body)
        render.line(console, f"Stack [bold]{escape(project.stack_name)}[/bold], as it would be deployed")
        for note in planned["notes"]:
            render.note(console, note)
        render.plan(console, planned["steps"])
        coming |= project.exports()


def delete(console: Console, client: Client, name: str) -> None:
    """Delete a stack, show progress. Raises StackFailed with the first cause."""
    _find(client, name)
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    with render.Progress(console) as progress:
        _follow(client, "DELETE", name, b"", progress.show)
    console.print("  deleted")


def outputs(console: Console, client: Client, name: str | None, *, as_json: bool) -> None:
    """The outputs of one stack, or of all, each then under its name."""
    found = client.own("GET", "stacks")["stacks"] if name is None else [_find(client, name)]
    if as_json:
        by_stack = {stack["name"]: stack["outputs"] for stack in found}
        print(json.dumps(by_stack if name is None else by_stack[name], indent=2))
        return
    for stack in found:
        if name is None:
            render.line(console, f"Stack [bold]{escape(stack['name'])}[/bold] ({stack['status']})")
        render.outputs(console, stack["outputs"], indent="  " if name is None else "")


def _find(client: Client, name: str) -> dict[str, Any]:
    stacks: list[dict[str, Any]] = client.own("GET", "stacks")["stacks"]
    for stack in stacks:
        if stack["name"] == name:
            return stack
    known = ", ".join(stack["name"] for stack in stacks) or "none"
    raise SetupError(f"There is no stack {name!r}; there are: {known}")


def _follow(client: Client, method: str, name: str, body: bytes, show: Show) -> dict[str, Any]:
    """Tell of the work on a stack as it goes on; its last event, which is not an error. Raises as `deploy` does."""
    last: dict[str, Any] = {}
    try:
        for event in client.stream(method, f"stacks/{name}", body):
            if event.get("refused"):
                raise SetupError(event["error"])
            if "error" in event:
                undone = f"\nWhat was done is undone: {name} is as it was before." if event.get("undone") else ""
                raise StackFailed(event["error"] + undone)
            show(event)
            last = event
    except KeyboardInterrupt:
        fate = "goes on with" if method == "POST" else "goes on to delete"
        undone = ", and undoes it should it fail" if method == "POST" else ""
        raise StackLeft(
            f"The server {fate} stack {name} to its end{undone}; how it ended: scopegate outputs {name}"
        ) from None
    if "outputs" not in last and "deleted" not in last:
        raise StackFailed(f"The work on {name} broke off; the next deployment undoes what it had begun")
    return last


def deployment(project: Project, code: Mapping[str, Mapping[str, Any]], **more: Any) -> bytes:
    """The body of a request. code: as `Project.package` gives it."""
    return json.dumps(project.body(code, **more)).encode()
