"""Stacks from the command line: local files go up, events and outputs come back. The work itself is the server's."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.base.settings import read_settings
from scopegate.cli import render
from scopegate.cli.client import Client, StackFailed
from scopegate.functions.runtimes import find_interpreter
from scopegate.stacks.build import Remembered, package
from scopegate.stacks.builders import Builder
from scopegate.stacks.model import STACK_NAME
from scopegate.stacks.read import Template, read_template

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


def read(path: Path) -> Template:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    return read_template(text, str(path))


def stack_name(given: str | None, template: Template) -> str:
    """The name as given, else the folder's name, as `sam` would offer it, made to fit."""
    if given is not None:
        if not STACK_NAME.fullmatch(given):
            raise SetupError(f"--name takes a letter, then letters, digits and hyphens, at most 128; got {given!r}")
        return given
    base = Path(template.file).resolve().parent.name
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
    template: Template,
    name: str | None,
    parameters: Mapping[str, str],
    *,
    builder: Builder | None = None,
    remembered: Remembered | None = None,
    show: Show | None = None,
) -> dict[str, Any]:
    """Build and upload local code, deploy, show progress; the stack's outputs.

    name: None takes the name of the template's folder. builder: None takes code as it lies there. remembered: what went
    up before, and then what goes up now. show: is told of each event, in place of the console.
    Raises StackFailed with the first cause, SetupError when nothing was begun.
    """
    name = stack_name(name, template)
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    body = deployment(template, package(client, template, builder, remembered), parameters)
    outputs: dict[str, Any] = _follow(client, "POST", name, body, show or _shown_on(console))["outputs"]
    render.outputs(console, outputs, indent="  ")
    console.print()
    return outputs


def plan(
    console: Console,
    client: Client,
    template: Template,
    name: str | None,
    parameters: Mapping[str, str],
    *,
    builder: Builder | None = None,
) -> None:
    """Show what `deploy` would do. Nothing is changed, nothing is installed, no code is uploaded."""
    name = stack_name(name, template)
    if builder is not None:
        builder = replace(builder, installs=False)
    body = deployment(template, package(None, template, builder), parameters)
    planned = client.own("POST", f"plans/{name}", body)
    render.line(console, f"Stack [bold]{escape(name)}[/bold], as it would be deployed")
    for note in planned["notes"]:
        render.note(console, note)
    render.plan(console, planned["steps"])


def delete(console: Console, client: Client, name: str) -> None:
    """Delete a stack, show progress. Raises StackFailed with the first cause."""
    _find(client, name)
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    _follow(client, "DELETE", name, b"", _shown_on(console))
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


def _shown_on(console: Console) -> Show:
    def show(event: Mapping[str, Any]) -> None:
        if "note" in event:
            render.note(console, event["note"])
        elif "state" in event:
            render.progress_line(console, event)

    return show


def _follow(client: Client, method: str, name: str, body: bytes, show: Show) -> dict[str, Any]:
    """Tell of the work on a stack as it goes on; its last event, which is not an error. Raises as `deploy` does."""
    last: dict[str, Any] = {}
    for event in client.stream(method, f"stacks/{name}", body):
        if event.get("refused"):
            raise SetupError(event["error"])
        if "error" in event:
            undone = f"\nWhat was done is undone: {name} is as it was before." if event.get("undone") else ""
            raise StackFailed(event["error"] + undone)
        show(event)
        last = event
    if "outputs" not in last and "deleted" not in last:
        raise StackFailed(f"The work on {name} broke off; the next deployment undoes what it had begun")
    return last


def deployment(template: Template, code: Mapping[str, Any], parameters: Mapping[str, str]) -> bytes:
    body = {"template": template.text, "file": template.file, "code": code, "parameters": dict(parameters)}
    return json.dumps(body).encode()
