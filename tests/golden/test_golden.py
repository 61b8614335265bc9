"""Golden files: a template, a line of dashes, and what the command line says of it.

`broken/`: what a person needs to mend it; `check/`: routes and suspicions; `plan/`: what a deployment would do.
After a line `==== NAME` follows a file beside the template; `@PATH` stands for a template of this repository.
`pytest tests/golden --rewrite-golden` writes what is said now; read the diff.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scopegate.stacks.read import read_document
from tests.operators import scopegate
from tests.server import Server

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
_DASHES = "----------\n"


class Golden:
    """One golden file, its input laid out in a folder of its own."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.input, _, self.expected = file.read_text().partition(_DASHES)

    def lay_out(self, folder: Path) -> Path:
        """The template, and what stands beside it."""
        if self.input.startswith("@"):
            original = ROOT / self.input[1:].strip()
            shutil.copytree(original.parent, folder)
            return folder / original.name
        folder.mkdir()
        first, *others = self.input.split("\n==== ")
        template = folder / ("template.json" if first.startswith("{") else "template.yaml")
        template.write_text(first)
        for other in others:
            name, _, text = other.partition("\n")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return template


def goldens(folder: str) -> Any:
    files = sorted((HERE / folder).glob("*.golden"))
    return pytest.mark.parametrize("golden", [Golden(file) for file in files], ids=lambda golden: golden.file.stem)


@pytest.fixture(scope="module")
def compare(request: pytest.FixtureRequest) -> Callable[[Golden, str], None]:
    """Hold what was said against what is expected; or write it down, when that is asked for."""

    def hold(golden: Golden, said: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            golden.file.write_text(golden.input + _DASHES + said)
            return
        assert said == golden.expected

    return hold


@pytest.fixture(scope="module")
def said_of_broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name of a golden file → its findings, as lines; all are checked in one run, each by itself."""
    base = tmp_path_factory.mktemp("broken")
    files = sorted((HERE / "broken").glob("*.golden"))
    templates = [Golden(file).lay_out(base / file.stem).relative_to(base) for file in files]
    done = scopegate("check", "--json", *map(str, templates), cwd=base, timeout=600)
    assert done.returncode == 1, done.stderr
    said: dict[str, str] = {file.stem: "" for file in files}
    for finding in json.loads(done.stdout)["findings"]:
        name, _, file = finding["file"].partition("/")
        line = f":{finding['line']}" if finding["line"] is not None else ""
        said[name] += f"{file}{line}: {finding['severity']}: {finding['message']} [{finding['rule']}]\n"
    return said


@pytest.mark.timeout(600)
@goldens("broken")
def test_broken_templates(
    golden: Golden, said_of_broken: dict[str, str], compare: Callable[[Golden, str], None]
) -> None:
    said = said_of_broken[golden.file.stem]

    assert ": error: " in said
    compare(golden, said)


# The command for one template after another, in one process: to start it takes longer than to check a template.
_ONE_BY_ONE = """
import contextlib, io, json, os, sys
from scopegate.cli.main import main
said = {}
for template in sys.argv[1:]:
    folder, name = os.path.split(template)
    out, err = io.StringIO(), io.StringIO()
    os.chdir(folder)
    sys.argv = ["scopegate", "check", name]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    said[os.path.basename(os.path.dirname(folder))] = [code, out.getvalue(), err.getvalue()]
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def said_of_checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Name of a golden file → exit code, output and complaints of its check."""
    base = tmp_path_factory.mktemp("check")
    files = sorted((HERE / "check").glob("*.golden"))
    for file in files:
        (base / file.stem).mkdir()
    templates = [Golden(file).lay_out(base / file.stem / "app") for file in files]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SCOPEGATE_"))}
    done = subprocess.run(
        [sys.executable, "-c", _ONE_BY_ONE, *templates],
        env={**kept, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, tuple[int, str, str]] = {name: tuple(each) for name, each in json.loads(done.stdout).items()}
    return said


@pytest.mark.timeout(600)
@goldens("check")
def test_checked_templates(
    golden: Golden, said_of_checked: dict[str, tuple[int, str, str]], compare: Callable[[Golden, str], None]
) -> None:
    code, said, complaints = said_of_checked[golden.file.stem]

    assert (code, complaints) == (int(": error: " in said), "")
    compare(golden, said)


def merge(document: dict[str, Any], snippet: dict[str, Any]) -> None:
    """Put a snippet into a template as a person would: mappings grow, anything else is replaced."""
    for key, value in snippet.items():
        is_function = isinstance(value, dict) and any(name == "Ref" or name.startswith("Fn::") for name in value)
        if isinstance(value, dict) and isinstance(document.get(key), dict) and not is_function:
            merge(document[key], value)
        else:
            document[key] = value


def findings_of(base: Path, files: list[Path]) -> list[dict[str, Any]]:
    done = scopegate("check", "--json", *(str(file.relative_to(base)) for file in files), cwd=base, timeout=300)
    assert done.stderr == ""
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


@pytest.mark.timeout(600)
def test_each_snippet_mends_what_it_is_told_with(tmp_path: Path) -> None:
    """Put in and checked again, the template has one fault less of that rule, and no error that it did not have.

    Where there is no user pool, a snippet can only show where one goes.
    """
    files = [Golden(file) for file in sorted((HERE / "check").glob("*.golden"))]
    templates = [golden.lay_out(tmp_path / golden.file.stem) for golden in files]
    with_pools = [file for file in templates if "AWS::Cognito::UserPool" in file.read_text()]
    found = findings_of(tmp_path, with_pools)
    mended: dict[str, dict[str, Any]] = {}
    for number, finding in enumerate(each for each in found if each["snippet"]):
        file = tmp_path / finding["file"]
        template, _ = read_document(file.read_text(), file.name)
        merge(template, read_document(finding["snippet"], "snippet")[0])
        file = file.with_name(f"mended-{number}.json")
        file.write_text(json.dumps(template))
        mended[str(file.relative_to(tmp_path))] = finding

    after = findings_of(tmp_path, [tmp_path / name for name in mended])

    def told(findings: list[dict[str, Any]], file: str, rule: str) -> int:
        return sum((each["file"], each["rule"]) == (file, rule) for each in findings)

    assert len(mended) > 20
    for name, finding in mended.items():
        file, rule = finding["file"], finding["rule"]
        assert told(after, name, rule) == told(found, file, rule) - 1, (file, rule)
        errors = {each["rule"] for each in after if each["file"] == name and each["severity"] == "error"}
        assert errors <= {each["rule"] for each in found if each["file"] == file}, (file, rule)


@goldens("plan")
def test_planned_templates(
    golden: Golden, tmp_path: Path, server: Server, compare: Callable[[Golden, str], None]
) -> None:
    template = golden.lay_out(tmp_path / "app")
    name = f"golden-{golden.file.stem}"

    done = scopegate(
        "deploy", template.name, "--dry-run", "--name", name, "--endpoint", server.url, cwd=template.parent
    )

    assert (done.returncode, done.stderr) == (0, "")
    compare(golden, done.stdout)
