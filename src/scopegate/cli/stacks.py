"""Stacks from the command line: local files go up, events and outputs come back. The work itself is the server's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.cli import render
from scopegate.cli.client import Client, StackFailed
from scopegate.stacks.build import package
from scopegate.stacks.model import STACK_NAME
from scopegate.stacks.read import Template, read_template

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


def deploy(
    console: Console, client: Client, template: Template, name: str | None, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Upload local code, deploy, show progress; the stack's outputs.

    name: None takes the name of the template's folder.
    Raises StackFailed with the first cause, SetupError when nothing was begun.
    """
    name = stack_name(name, template)
    body = deployment(template, package(client, template), parameters)
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    outputs: dict[str, Any] = _follow(console, client, "POST", name, body)["outputs"]
    render.outputs(console, outputs, indent="  ")
    console.print()
    return outputs


def plan(console: Console, client: Client, template: Template, name: str | None, parameters: Mapping[str, str]) -> None:
    """Show what `deploy` would do. Nothing is changed, no code is uploaded."""
    name = stack_name(name, template)
    body = deployment(template, package(None, template), parameters)
    planned = client.own("POST", f"plans/{name}", body)
    render.line(console, f"Stack [bold]{escape(name)}[/bold], as it would be deployed")
    for note in planned["notes"]:
        render.note(console, note)
    render.plan(console, planned["steps"])


def delete(console: Console, client: Client, name: str) -> None:
    """Delete a stack, show progress. Raises StackFailed with the first cause."""
    _find(client, name)
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    _follow(console, client, "DELETE", name, b"")
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


def _follow(console: Console, client: Client, method: str, name: str, body: bytes) -> dict[str, Any]:
    """Show the work on a stack as it goes on; its last event, which is not an error."""
    last: dict[str, Any] = {}
    for event in client.stream(method, f"stacks/{name}", body):
        if event.get("refused"):
            raise SetupError(event["error"])
        if "error" in event:
            undone = f"\nWhat was done is undone: {name} is as it was before." if event.get("undone") else ""
            raise StackFailed(event["error"] + undone)
        if "note" in event:
            render.note(console, event["note"])
        elif "state" in event:
            render.progress_line(console, event)
        last = event
    if "outputs" not in last and "deleted" not in last:
        raise StackFailed(f"The work on {name} broke off; the next deployment undoes what it had begun")
    return last


def deployment(template: Template, code: Mapping[str, Any], parameters: Mapping[str, str]) -> bytes:
    body = {"template": template.text, "file": template.file, "code": code, "parameters": dict(parameters)}
    return json.dumps(body).encode()
