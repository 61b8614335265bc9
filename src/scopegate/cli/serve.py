"""`up` and `serve`: start the server in this process tree; `up` then deploys its template as any client would."""

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings, read_settings
from scopegate.cli import render, stacks
from scopegate.cli.client import Client, region_here
from scopegate.cli.watch import Reloads
from scopegate.server import processes
from scopegate.server.processes import Started
from scopegate.stacks.build import Remembered
from scopegate.stacks.watch import Watch, paths_of

_SAME_AS_LOCALHOST: Final = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `up` is to deploy, and how; see the options of that command."""

    order: stacks.Order
    dry_run: bool = False
    build: bool = True
    watch: bool = False


def run(
    flags: Mapping[str, Any], wanted: Wanted | None = None, *, then: Callable[[Console, Client], None] | None = None
) -> None:
    """Serve until SIGTERM or Ctrl-C; a template is read before anything starts, so that its faults stop everything.

    then: called once everything is up and shown.
    """
    settings = read_settings(flags)
    console = Console(stderr=False, highlight=False)
    deployments = None if wanted is None else _Deployments(console, wanted)
    failed = threading.Event()

    def started(where: Started) -> None:
        _banner(console, settings, where)
        if deployments is None and not settings.development:
            return

        def deploy_and_show() -> None:
            try:
                client = Client(where.local_url)
                if deployments is not None and not deployments.deploy(client):
                    processes.stop()
                    return
                seen = client.own("GET", "overview")
                render.routes_table(console, seen["apis"])
                render.functions(console, [function for function in seen["functions"] if function["warning"]])
                if then is not None:
                    then(console, client)
                console.print("ready; Ctrl-C stops")
                if deployments is not None:
                    deployments.follow(client, where.is_stopping)
            except SetupError as error:
                if where.is_stopping():  # the server went away because it was told to
                    console.print(f"stopped: {error}", markup=False, soft_wrap=True)
                else:
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
    quiet = then is not None or (deployments is not None and sys.stderr.isatty())
    processes.serve(settings, started, log_level="ERROR" if quiet else "INFO")
    if failed.is_set():
        raise SystemExit(1)


class _Deployments:
    """The stacks of `up`. Raises SetupError when they cannot be read."""

    def __init__(self, console: Console, wanted: Wanted) -> None:
        self._console = console
        self._wanted = wanted
        # What is saved from now on counts as a change, also while the templates are read and deployed.
        self._watch = Watch(set(wanted.order.files)) if wanted.watch else None
        self._projects = wanted.order.read(region_here())
        if self._watch is not None:
            self._watch.look_at(paths_of(self._projects))
        self._builder = stacks.make_builder(console) if wanted.build else None
        self._remembered: Remembered = {}

    def deploy(self, client: Client) -> bool:
        """Deploy, or show what a deployment would do; False when that was all that is wanted."""
        skip_unknown = self._wanted.order.skip_unknown
        if self._wanted.dry_run:
            stacks.plan(self._console, client, self._projects, builder=self._builder, skip_unknown=skip_unknown)
            return False
        remembered = None if self._watch is None else self._remembered
        for project in self._projects:
            stacks.deploy(
                self._console,
                client,
                project,
                builder=self._builder,
                remembered=remembered,
                skip_unknown=skip_unknown,
            )
        return True

    def follow(self, client: Client, is_stopping: Callable[[], bool]) -> None:
        """Deploy again after each save until the server stops, if that is wanted."""
        if self._watch is not None:
            order, remembered = self._wanted.order, self._remembered
            reloads = Reloads(self._console, client, order, self._builder, self._watch, remembered)
            reloads.follow(is_stopping)


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
