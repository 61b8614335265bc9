"""Layers in their place, whichever wall this machine has: at /opt, or where Lambda's variables say instead."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopegate.functions import package
from scopegate.functions.sandbox import Isolation
from tests.rooms.functions.running import Runs, isolations, running

PYTHON = """
import os
import greeting
def handler(event, context):
    try:
        names = sorted(os.listdir(event["look"]))
    except (OSError, KeyError) as error:
        names = type(error).__name__
    return {"text": greeting.TEXT, "names": names, "file": greeting.__file__, "environment": dict(os.environ)}
"""
NODE = "const greet = require('greet');\nexports.handler = async () => greet();\n"


@pytest.fixture(params=[*isolations(), "none"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with running(tmp_path, request.param) as found:
        yield found


def folder(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    return folder(
        tmp_path / "code" / "layers",
        {
            "python/greeting.py": "TEXT = 'hello'\n",
            "nodejs/node_modules/greet/index.js": "module.exports = () => 'hello';\n",
            "bin/tool": "",
        },
    )


def test_python_finds_the_packages_of_layers(runs: Runs, layers: Path) -> None:
    function = runs.function(PYTHON, layers_dir=str(layers))

    found = function.call({}).json

    opt = found["file"].removesuffix("/python/greeting.py")
    assert found["text"] == "hello"
    assert found["environment"]["PATH"].endswith(f":{opt}/bin")
    assert found["environment"]["LD_LIBRARY_PATH"].endswith(f":{opt}/lib")
    assert (opt == "/opt") is (runs.runner.isolation == "bwrap")
    assert not [name for name in found["environment"] if name.startswith("_SCOPEGATE")]
    assert function.call({"look": opt}).json["names"] == ["bin", "nodejs", "python"]


def test_node_finds_the_packages_of_layers(runs: Runs, layers: Path) -> None:
    function = runs.function(NODE, runtime="nodejs22.x", layers_dir=str(layers))

    assert function.call({}).json == "hello"


@pytest.mark.parametrize("isolation", isolations())
def test_f2_layers_are_closed_to_functions_that_have_none(tmp_path: Path, layers: Path, isolation: Isolation) -> None:
    """As their code is: the other's user, or file system, does not reach them."""
    look = "import os\ndef handler(event, context):\n    return os.listdir(event)\n"
    with running(tmp_path, isolation) as runs:
        opt = runs.function(PYTHON, layers_dir=str(layers)).call({}).json["file"].removesuffix("/python/greeting.py")

        answer = runs.function(look).call(opt).json

    assert answer == [] or answer["errorType"] in ("FileNotFoundError", "PermissionError")


def test_packages_are_laid_over_one_another(tmp_path: Path) -> None:
    """Reference, "File system, user, limits": later ones win; a file and a folder of one name too."""
    first = folder(tmp_path / "one", {"a": "1", "both/x": "1", "file": "1", "folder/y": "1"})
    second = folder(tmp_path / "two", {"both/x": "2", "both/z": "2", "file/inner": "2", "folder": "2"})

    package.merge([first, second], tmp_path / "merged")

    found = {
        str(path.relative_to(tmp_path / "merged")): path.read_text()
        for path in (tmp_path / "merged").rglob("*")
        if path.is_file()
    }
    assert found == {"a": "1", "both/x": "2", "both/z": "2", "file/inner": "2", "folder": "2"}
    assert (first / "file").read_text() == "1"


def test_f1_no_link_is_followed_while_packages_are_laid_over_one_another(tmp_path: Path) -> None:
    outside = folder(tmp_path / "outside", {"kept": "kept"})
    first = folder(tmp_path / "one", {"a": "1"})
    (first / "link").symlink_to(outside)
    second = folder(tmp_path / "two", {"link/kept": "overwritten", "link/new": "new"})

    package.merge([first, second], tmp_path / "merged")
    package.merge([second, first], tmp_path / "turned")

    assert os.listdir(outside) == ["kept"]
    assert (outside / "kept").read_text() == "kept"
    assert not (tmp_path / "merged" / "link").is_symlink()
    assert (tmp_path / "merged" / "link" / "kept").read_text() == "overwritten"
    assert (tmp_path / "turned" / "link").is_symlink()
