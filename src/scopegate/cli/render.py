"""How the command line shows things: routes, decisions, progress. Rich tables on a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def routes_table(console: Console, apis: Sequence[Mapping[str, Any]]) -> None:
    """For each API its base URLs and its routes, with authorizer and scopes; what is open or closed is said loudly."""
    for api in apis:
        console.print(
            f"[bold]{escape(api['name'])}[/bold] ({api['kind']} API {api['id']}, stage {escape(api['stage'])})"
        )
        console.print(f"  {escape(api['url'])}")
        console.print(f"  [dim]{escape(api['hostUrl'])}[/dim]")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for name in ("METHOD", "PATH", "AUTHORIZER", "SCOPES", "INTEGRATION"):
            table.add_column(name, style=None, header_style="dim", overflow="fold")
        for route in api["routes"]:
            authorizer = escape(route["authorizer"])
            if route["closed"]:
                authorizer = f"[red]closed: {escape(route['closed'])}[/red]"
            elif route["authorizer"] == "open":
                authorizer = "[yellow]open[/yellow]"
            table.add_row(
                escape(route["method"]),
                escape(route["path"]),
                authorizer,
                escape(" ".join(route["scopes"])) or "-",
                escape(_short(route["integration"])),
            )
        console.print(table)
        for route in api["routes"]:
            for warning in route["warnings"]:
                console.print(
                    f"  [yellow]warning[/yellow] {escape(route['method'])} {escape(route['path'])}: {escape(warning)}"
                )
        console.print()


def _short(integration: str) -> str:
    """An integration with the function's name instead of its ARN."""
    kind, _, target = integration.partition(" ")
    return f"{kind} function {target.split(':', 6)[6]}" if target.startswith("arn:aws:lambda:") else integration


def decision(console: Console, record: Mapping[str, Any]) -> None:
    """The ten steps of one token or call, with times, and the decision with its reason."""
    colour = {"ALLOW": "green", "DENY": "red"}.get(record["decision"], "yellow")
    title = "token request" if record["kind"] == "token" else f"{record['method']} {record['path']}"
    console.print(
        f"[{colour}]{record['decision'] or 'NOT DECIDED'}[/{colour}] {escape(title)} → {record['status']}"
        f"  [dim]{record['requestId']}[/dim]"
    )
    if record["reason"]:
        console.print(f"  {escape(record['reason'])}")
    for step in record["steps"]:
        console.print(f"  {step['step']:>2} {step['name']:<44} {step['us'] / 1000:>9.3f} ms")
    if record["scopesWanted"] or record["scopesHeld"]:
        console.print(f"  scopes wanted: {escape(' or '.join(record['scopesWanted'])) or 'none'}")
        console.print(f"  scopes held:   {escape(' '.join(record['scopesHeld'])) or 'none'}")
    if record["clientId"]:
        console.print(f"  client:        {escape(record['clientId'])}")
    if record["jti"]:
        console.print(f"  token (jti):   {escape(record['jti'])}")
    for name, value in record["facts"].items():
        console.print(f"  {escape(name)}: {escape(str(value))}")


def progress_line(console: Console, event: Mapping[str, Any]) -> None:
    """One line of a deployment under way: how many are done, what, how long."""
    if event["state"] == "started":
        return
    failed = str(event["state"]).startswith("failed")
    mark = "[red]✗[/red]" if failed else "[green]✓[/green]"
    seconds = f" {event['seconds']:.2f} s" if event["seconds"] >= 0.01 else ""
    console.print(
        f"  {mark} {event['done']}/{event['of']} {escape(event['action'])} {escape(event['logicalId'])}"
        f" [dim]{escape(event['type'])}{seconds}[/dim]" + (f"\n    {escape(str(event['state']))}" if failed else "")
    )
