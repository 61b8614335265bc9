"""Writes the generated pages of this manual, from the tables in the source.

`python docs/generate.py` writes them; with `--check` it only says which differ. A test runs the check.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from scopegate.aws.coverage import render_coverage
from scopegate.aws.models import Models
from scopegate.aws.registry import table
from scopegate.base.limits import LIMITS
from scopegate.base.settings import Settings
from scopegate.server.operations import PACKAGES

DOCS: Final = Path(__file__).parent


def coverage() -> str:
    models = Models()
    return render_coverage(table(PACKAGES, models), models)


def settings() -> str:
    lines = [
        "# Settings",
        "",
        "A setting is a flag or an environment variable; the flag wins.",
        "Each is read once, at start.",
        "",
    ]
    for row in fields(Settings):
        metadata = row.metadata
        names = [f"`{name}`" for name in (metadata["flag"], metadata["env"]) if name]
        lines += [f"## {row.name.replace('_', '-')}", "", f"{' · '.join(names)} · default: {_default(row)}", ""]
        lines += [metadata["help"], ""]
    return "\n".join(lines)


def _default(row: Any) -> str:
    value = row.default if row.default is not MISSING else row.default_factory()
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`"


def limits() -> str:
    lines = [
        "# Limits",
        "",
        "A *hard* limit is about one request or one object and binds always.",
        "A *quota* is per account, region or second and binds only with `--aws-quotas`.",
        "",
        "| limit | value | unit | kind | source |",
        "|---|---:|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {limit.value:,} | {limit.unit} | {limit.kind} | {limit.source} |"
        for name, limit in LIMITS.items()
    ]
    return "\n".join([*lines, ""])


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "coverage.md": coverage,
    "limits.md": limits,
    "settings.md": settings,
}


def stale_pages() -> list[str]:
    """The pages that are not as they would be written."""
    found = []
    for name, render in PAGES.items():
        path = DOCS / name
        if not path.exists() or path.read_text() != render():
            found.append(name)
    return found


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        stale = stale_pages()
        sys.stdout.write("".join(f"docs/{name} is stale; run: python docs/generate.py\n" for name in stale))
        return 1 if stale else 0
    for name, render in PAGES.items():
        (DOCS / name).write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
