"""`up` and `serve`: start the server in this process tree; `up` then deploys its template as any client would."""

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings, read_settings
from scopegate.cli import render, stacks
from scopegate.cli.client import Client
from scopegate.server import processes
from scopegate.server.processes import Started

_SAME_AS_LOCALHOST: Final = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


def run(
    flags: Mapping[str, Any],
    *,
    template: Path | None = None,
    stack_name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    dry_run: bool = False,
    then: Callable[[Console, Client], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; a template is read before anything starts, so that its faults stop everything.

    dry_run: show what the deployment would do, and end. then: called once everything is up and shown.
    """
    settings = read_settings(flags)
    read = None if template is None else stacks.read(template)
    console = Console(stderr=False, highlight=False)
    failed = threading.Event()

    def started(where: Started) -> None:
        _banner(console, settings, where)
        if read is None and not settings.development:
            return

        def deploy_and_show() -> None:
            try:
                client = Client(where.local_url)
                if read is not None and dry_run:
                    stacks.plan(console, client, read, stack_name, parameters or {})
                    processes.stop()
                    return
                if read is not None:
                    stacks.deploy(console, client, read, stack_name, parameters or {})
                seen = client.own("GET", "overview")
                render.routes_table(console, seen["apis"])
                render.functions(console, [function for function in seen["functions"] if function["warning"]])
                if then is not None:
                    then(console, client)
                console.print("ready; Ctrl-C stops")
            except SetupError as error:
                if not where.is_stopping():  # else the server went away because it was told to
                    console.print(f"error: {error}", markup=False, soft_wrap=True)
                    failed.set()
                    processes.stop()
            except SystemExit:  # rich's word for a closed standard output: nobody is there to serve for
                processes.stop()
            except BaseException:  # whatever it is, a server that says nothing must not stay behind
                failed.set()
                processes.stop()
                raise

        threading.Thread(target=deploy_and_show, name="deploy", daemon=True).start()

    # A story is told without log lines in between; so is a deployment, where somebody looks on. What they would warn
    # of is said at its end.
    quiet = then is not None or (read is not None and sys.stderr.isatty())
    processes.serve(settings, started, log_level="ERROR" if quiet else "INFO")
    if failed.is_set():
        raise SystemExit(1)


def _banner(console: Console, settings: Settings, where: Started) -> None:
    mode = "development mode" if settings.development else "production mode"
    render.line(console, f"[bold]Scopegate[/bold] at {escape(where.public_url)} ({mode})")
    if settings.public_url is not None or settings.host not in _SAME_AS_LOCALHOST:
        render.line(console, f"listening on {where.local_url}")
    if settings.development and settings.trust_network:
        warning = "--trust-network: anyone who reaches this port controls everything."
        render.line(console, f"[red bold]{warning}[/red bold]")
    if settings.test_clock is not None:
        render.line(console, f"[yellow]The wall clock is turned by {escape(str(settings.test_clock))}.[/yellow]")
    render.line(console)
