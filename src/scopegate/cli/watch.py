"""`up --watch`: what is saved is live at once, or said to be broken; what ran goes on running.

A reload is a deployment like any other: only what changed is touched, and a failure is undone.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base import clock
from scopegate.base.errors import SetupError
from scopegate.cli import render, stacks
from scopegate.cli.client import Client
from scopegate.stacks.build import Remembered
from scopegate.stacks.builders import Builder, check_syntax
from scopegate.stacks.project import Project
from scopegate.stacks.watch import Watch, paths_of

_NAMED_FILES: Final = 3


@dataclass(slots=True)
class Reloads:
    """Deployments of the same files, each after something was saved.

    watch: began to look before the templates were read for the first deployment. unproven: files that were saved since
    the last deployment that succeeded. notes: those that were shown.
    """

    console: Console
    client: Client
    order: stacks.Order
    builder: Builder | None
    watch: Watch
    remembered: Remembered = field(default_factory=dict)
    unproven: set[Path] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)

    def follow(self, is_stopping: Callable[[], bool]) -> None:
        """Until the server stops."""
        while not is_stopping():
            changed = self.watch.wait()
            started = clock.monotonic()
            try:
                touched = self.reload(changed)
            except (SetupError, OSError) as error:  # a file may go while it is read
                if is_stopping():
                    return
                self.console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
                render.line(
                    self.console, f"  [yellow]not deployed[/yellow] {escape(self._files(changed))}: what ran goes on"
                )
                continue
            seconds = clock.monotonic() - started
            what = ", ".join(touched) or "nothing to change"
            line = f"[green]deployed[/green] {escape(self._files(changed))} → {escape(what)} [dim]{seconds:.2f} s[/dim]"
            render.line(self.console, line)

    def reload(self, changed: Collection[Path]) -> Sequence[str]:
        """Deploy; the resources that this changed. Raises SetupError."""
        self.unproven |= set(changed)
        projects = self.order.read(self.client.region)
        self.watch.look_at(paths_of(projects))  # before they are packed: a save from now on counts
        for project in projects:
            self._check(project)
        touched: dict[str, None] = {}

        def show(event: Mapping[str, Any]) -> None:
            if "note" in event and event["note"] not in self.notes:
                self.notes.add(event["note"])
                render.note(self.console, event["note"])
            elif event.get("state") == "done" and event["action"] != "Keep":
                touched[event["logicalId"]] = None

        for project in projects:
            stacks.deploy(
                Console(quiet=True),
                self.client,
                project,
                builder=self.builder,
                remembered=self.remembered,
                show=show,
                skip_unknown=self.order.skip_unknown,
            )
        self.unproven.clear()
        return list(touched)

    def _check(self, project: Project) -> None:
        """What its own interpreter cannot read takes no function's place. Raises SetupError with the place."""
        if self.builder is None:
            return
        for code in project.local_code():
            below = code.path.absolute()
            saved = sorted(path for path in self.unproven if path.is_relative_to(below) and path.is_file())
            if saved and code.source.runtime.startswith(("python", "nodejs")):
                check_syntax(self.builder.find_interpreter(code.source.runtime), code.source.runtime, saved)

    def _files(self, changed: Collection[Path]) -> str:
        """Names as the user would write them from here."""
        here = Path.cwd()
        names = sorted(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in changed)
        more = len(names) - _NAMED_FILES
        return ", ".join(names[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
