"""How the command line shows things: routes, decisions, progress. Lines are never broken here: a terminal wraps them,
and what is copied or piped stays whole.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape

_HEAD: Final = ("METHOD", "PATH", "AUTHORIZER", "SCOPES", "INTEGRATION")
_GAP: Final = 2
_COLOUR_OF_STEP: Final = {"Create": "green", "Update": "yellow", "Replace": "yellow", "Delete": "red"}


def line(console: Console, text: str = "") -> None:
    """One line, with rich's markup."""
    console.print(text, soft_wrap=True)


def routes_table(console: Console, apis: Sequence[Mapping[str, Any]]) -> None:
    """For each API its base URLs and its routes, with authorizer and scopes; what is open or closed is said loudly."""
    for api in apis:
        line(
            console, f"[bold]{escape(api['name'])}[/bold] ({api['kind']} API {api['id']}, stage {escape(api['stage'])})"
        )
        line(console, f"  {escape(api['url'])}")
        if api["hostUrl"]:
            line(console, f"  [dim]{escape(api['hostUrl'])}[/dim]")
        routes(console, api["routes"])
        for route in api["routes"]:
            for warning in route["warnings"]:
                place = f"{escape(route['method'])} {escape(route['path'])}"
                line(console, f"  [yellow]warning[/yellow] {place}: {escape(warning)}")
        line(console)


def stacks(console: Console, stacks: Sequence[Mapping[str, Any]]) -> None:
    """Each stack with its status, those that are part of it below it."""

    def show(parent: str, indent: str) -> None:
        for stack in stacks:
            if stack["parent"] == parent:
                line(console, f"{indent}stack [bold]{escape(stack['name'])}[/bold] {stack['status']}")
                show(stack["name"], indent + "  ")

    show("", "")
    if stacks:
        line(console)


def functions(console: Console, functions: Sequence[Mapping[str, Any]]) -> None:
    """Functions with their runtimes, and why one is not run by exactly what it asks for."""
    for function in functions:
        line(console, f"function [bold]{escape(function['name'])}[/bold] {escape(function['runtime'])}")
        if function["warning"]:
            line(console, f"  [yellow]warning[/yellow] {escape(function['warning'])}")


def routes(console: Console, routes: Sequence[Mapping[str, Any]]) -> None:
    """A table; where it is wider than the console, each integration has a line of its own below its route."""
    rows = [
        (
            route["method"],
            route["path"],
            f"closed: {route['closed']}" if route["closed"] else route["authorizer"],
            " ".join(route["scopes"]) or "-",
            _short(route["integration"]),
        )
        for route in routes
    ]
    if not rows:
        return
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    fits = sum(widths) + (len(widths) + 1) * _GAP <= console.width
    shown = len(_HEAD) if fits else len(_HEAD) - 1
    line(console, f"[dim]{_cells(_HEAD[:shown], widths)}[/dim]")
    for route, row in zip(routes, rows, strict=True):
        colour = "red" if route["closed"] else "yellow" if route["authorizer"] == "open" else ""
        line(console, _cells(row[:shown], widths, colour))
        if not fits:
            line(console, f"    → {escape(row[-1])}")


def _cells(cells: Sequence[str], widths: Sequence[int], colour: str = "") -> str:
    """One row. colour: of the authorizer's column."""
    padded = [escape(cell.ljust(width)) for cell, width in zip(cells, widths, strict=False)]
    if colour:
        padded[2] = f"[{colour}]{padded[2]}[/{colour}]"
    return " " * _GAP + (" " * _GAP).join(padded).rstrip()


def _short(integration: str) -> str:
    """An integration with the function's name instead of its ARN."""
    kind, _, target = integration.partition(" ")
    return f"{kind} function {target.split(':', 6)[6]}" if target.startswith("arn:aws:lambda:") else integration


def decision(console: Console, record: Mapping[str, Any]) -> None:
    """The ten steps of one token or call, with times, and the decision with its reason."""
    colour = {"ALLOW": "green", "DENY": "red"}.get(record["decision"], "yellow")
    is_token = record["kind"] == "token"
    title = "token request" if is_token else f"{record['method']} {record['path']}"
    line(
        console,
        f"[{colour}]{record['decision'] or 'NOT DECIDED'}[/{colour}] {escape(title)} → {record['status']}"
        f"  [dim]{record['requestId']}[/dim]",
    )
    if record["reason"]:
        line(console, f"  {escape(record['reason'])}")
    for step in record["steps"]:
        line(console, f"  {step['step']:>2} {step['name']:<44} {step['us'] / 1000:>9.3f} ms")
    if record["scopesWanted"] or record["scopesHeld"]:
        # A token request that names no scope asks for all that its client is allowed.
        nothing = "all allowed" if is_token else "none"
        line(console, f"  scopes wanted: {escape(' or '.join(record['scopesWanted'])) or nothing}")
        line(console, f"  scopes held:   {escape(' '.join(record['scopesHeld'])) or 'none'}")
    if record["clientId"]:
        line(console, f"  client:        {escape(record['clientId'])}")
    if record["jti"]:
        line(console, f"  token (jti):   {escape(record['jti'])}")
    for name, value in record["facts"].items():
        line(console, f"  {escape(name)}: {escape(str(value))}")


def message(console: Console, message: Mapping[str, Any]) -> None:
    """One mail or SMS of the outbox. What users write into it does nothing to the terminal."""

    def shown(text: str) -> str:
        return escape("".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text))

    moment = datetime.fromtimestamp(message["sentAt"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    line(
        console,
        f"[dim]{moment}[/dim] [bold]{message['medium']}[/bold] to {shown(message['destination'])} "
        f"({shown(message['username'])} of {message['userPoolId']}, {message['purpose']})",
    )
    for text in (message["subject"], message["body"]):
        for part in shown(text).splitlines():
            line(console, f"  {part}")
    line(console)


class Progress:
    """A deployment under way: a line for each step, and on a terminal what is being done and how much is left."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, event: Mapping[str, Any]) -> None:
        if "note" in event:
            note(self._console, event["note"])
        elif event.get("state") == "started":
            if self._status is not None:
                left = max(event["of"] - event["done"], 1)
                self._status.update(f"{escape(event['action'])} {escape(event['logicalId'])} [dim]{left} left[/dim]")
        elif "state" in event:
            progress_line(self._console, event)


def progress_line(console: Console, event: Mapping[str, Any]) -> None:
    """One line of a deployment under way: how many are done, what, how long."""
    if event["state"] == "started":
        return
    failed = str(event["state"]).startswith("failed")
    mark = "[red]✗[/red]" if failed else "[green]✓[/green]"
    seconds = f" {event['seconds']:.2f} s" if event["seconds"] >= 0.01 else ""
    line(
        console,
        f"  {mark} {event['done']}/{event['of']} {escape(event['action'])} {escape(event['logicalId'])}"
        f" [dim]{escape(event['type'])}{seconds}[/dim]" + (f"\n    {escape(str(event['state']))}" if failed else ""),
    )


def plan(console: Console, steps: Sequence[Mapping[str, Any]]) -> None:
    """What a deployment would do, one line for each resource, and how many of each."""
    for step in steps:
        colour = _COLOUR_OF_STEP.get(step["action"], "dim")
        action = f"[{colour}]{escape(step['action'].ljust(7))}[/{colour}]"
        line(console, f"  {action} {escape(step['logicalId'])} [dim]{escape(step['type'])}[/dim]")
    counted = Counter(step["action"].lower() for step in steps)
    line(console, "  " + (", ".join(f"{count} to {action}" for action, count in counted.items()) or "no resources"))


def note(console: Console, text: str) -> None:
    """What the user of a template should know."""
    console.print(f"  note: {text}", markup=False, soft_wrap=True)


def outputs(console: Console, outputs: Mapping[str, Any], *, indent: str) -> None:
    """`KEY = VALUE`; a list as JSON."""
    for key, value in outputs.items():
        shown = value if isinstance(value, str) else json.dumps(value)
        console.print(f"{indent}{key} = {shown}", markup=False, highlight=False, soft_wrap=True)
