"""`scopegate up --watch`: what is saved is live at once and loses no call; what is broken is said, and nothing changes.

Source: design, "What the user sees".
"""

import itertools
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.node import bin_directory
from tests.operators import scopegate, wait_until
from tests.server import Server, zipped

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: code/
      Timeout: 20
      Events:
        Get: {Type: HttpApi, Properties: {Path: /words, Method: GET}}
        Slow: {Type: HttpApi, Properties: {Path: /slow, Method: GET}}
"""
APP = """
import time, words
def handler(event, context):
    if event["rawPath"] == "/slow":
        time.sleep(2)
    return {"statusCode": 200, "body": words.TEXT}
"""


@dataclass
class Watched:
    """A running `up --watch`. lines: what it says, as it comes; reloads: those lines that end one."""

    server: Server
    folder: Path
    path: str = ""
    lines: list[str] = field(default_factory=list)
    reloads: "queue.Queue[str]" = field(default_factory=queue.Queue)
    ready: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        assert self.server.process.stdout is not None
        for raw in self.server.process.stdout:
            line = raw.decode().rstrip()
            self.lines.append(line)
            if found := re.search(r"/_aws/execute-api/\S+", line):
                self.path = self.path or found[0]
            if line.startswith("ready"):
                self.ready.set()
            if line.startswith(("deployed", "  not deployed")):
                self.reloads.put(line.strip())
        self.ready.set()

    def save(self, name: str, text: str) -> None:
        """As most editors do: another file takes the name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".#{path.name}")
        fresh.write_text(text)
        fresh.replace(path)

    def reload(self) -> str:
        """The line that ends the next reload."""
        return self.reloads.get(timeout=60)

    def get(self, path: str = "/words") -> requests.Response:
        return self.server.http("GET", self.path + path)

    def said(self) -> str:
        return "\n".join(self.lines)


Up = Callable[..., Watched]


@pytest.fixture
def up(start_server: Callable[..., Server], tmp_path: Path) -> Up:
    def begin(files: dict[str, str], template: str = TEMPLATE, **environment: str) -> Watched:
        folder = tmp_path / "project"
        folder.mkdir()
        (folder / "template.yaml").write_text(template)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        environment = {"SCOPEGATE_CACHE_DIR": str(tmp_path / "cache"), **environment}
        server = start_server("up", str(folder / "template.yaml"), "--watch", environment=environment)
        watched = Watched(server, folder)
        threading.Thread(target=watched.read, daemon=True).start()
        assert watched.ready.wait(60), watched.said()
        assert server.process.poll() is None, watched.said()
        return watched

    return begin


@pytest.fixture
def words(up: Up) -> Watched:
    """A function that answers one word, which stands in a module of its own."""
    return up({"code/app.py": APP, "code/words.py": "TEXT = 'first'\n"})


class Callers:
    """Clients that call without a pause; what they were answered, in order."""

    def __init__(self, watched: Watched, count: int = 3) -> None:
        self.answers: list[tuple[int, str]] = []
        self._watched = watched
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(count + 1)
        self._running = [self._pool.submit(self._call) for _ in range(count)]

    def _call(self) -> None:
        while not self._over.is_set():
            answer = self._watched.get()
            self.answers.append((answer.status_code, answer.text))

    def slow(self) -> "threading.Event":
        """Begin a call that takes two seconds; set when it has been answered well."""
        answered = threading.Event()

        def call() -> None:
            answer = self._watched.get("/slow")
            self.answers.append((answer.status_code, answer.text))
            answered.set()

        self._running.append(self._pool.submit(call))
        return answered

    def wait_for(self, text: str) -> None:
        wait_until(lambda: any(answer[1] == text for answer in list(self.answers[-20:])), seconds=60)

    def end(self) -> set[tuple[int, str]]:
        """The different answers. Raises what any of the callers met."""
        self._over.set()
        for each in self._running:
            each.result(timeout=60)
        self._pool.shutdown()
        return set(self.answers)


def test_a_saved_handler_is_live_and_no_call_is_lost(words: Watched) -> None:
    """Calls in flight end on the old code; those that come during the change are answered by either."""
    callers = Callers(words)
    callers.wait_for("first")
    slow = callers.slow()

    for text in ("second", "third"):
        words.save("code/words.py", f"TEXT = '{text}'\n")
        line = words.reload()
        assert re.fullmatch(r"deployed \S*project/code/words\.py → Fn \d+\.\d\d s", line), line
        callers.wait_for(text)

    assert slow.wait(30)
    assert callers.end() == {(200, "first"), (200, "second"), (200, "third")}
    assert words.get().text == "third"


def test_a_saved_template_is_live_and_no_call_is_lost(words: Watched) -> None:
    callers = Callers(words)
    callers.wait_for("first")
    route = "        More: {Type: HttpApi, Properties: {Path: /more, Method: GET}}\n"

    words.save("template.yaml", TEMPLATE + route)
    line = words.reload()
    assert re.fullmatch(r"deployed \S*template\.yaml → .*\bServerlessHttpApi\b.* s", line), line
    assert words.get("/more").status_code == 200
    words.save("template.yaml", TEMPLATE.replace("Timeout: 20", "Timeout: 21"))
    assert "Fn" in words.reload()
    assert words.get("/more").status_code == 404

    assert callers.end() == {(200, "first")}


def test_what_is_broken_is_said_and_what_ran_goes_on(words: Watched) -> None:
    callers = Callers(words, 1)

    words.save("code/app.py", APP.replace("return {", "return {{"))
    assert re.fullmatch(r"not deployed \S*project/code/app\.py: what ran goes on", words.reload())
    assert re.search(r"^error: \S+/project/code/app\.py:6: ", words.said(), re.MULTILINE), words.said()
    # Another file does not make it better.
    words.save("code/words.py", "TEXT = 'second'\n")
    assert words.reload().startswith("not deployed")
    words.save("template.yaml", TEMPLATE.replace("Handler: app.handler", "Hander: app.handler"))
    words.save("code/app.py", APP)
    assert words.reload().startswith("not deployed")
    assert "did you mean Handler?" in words.said()
    words.save("template.yaml", "Resources: {")
    assert words.reload().startswith("not deployed")
    assert re.search(r"^error: \S+/template\.yaml:\d+: Not valid YAML", words.said(), re.MULTILINE), words.said()
    # What fails under way is undone.
    words.save("template.yaml", TEMPLATE + "      MemorySize: 20000\n")
    assert words.reload().startswith("not deployed")
    assert "MemorySize" in words.said()
    assert {answer.text for answer in (words.get(), words.get())} == {"first"}

    words.save("template.yaml", TEMPLATE)
    assert words.reload().startswith("deployed")
    assert words.get().text == "second"
    assert callers.end() == {(200, "first"), (200, "second")}


def test_what_is_no_code_wakes_nobody(words: Watched) -> None:
    """Editors' own files, caches, version control, and packages of Node.js, which go up with the next save."""
    for name in (".words.py.swp", "words.py~", "#words.py#", "4913", "words.pyc"):
        (words.folder / "code" / name).write_text("x")
    for name in ("__pycache__/words.pyc", ".git/index", "node_modules/x/index.js", ".venv/lib/x.py"):
        (words.folder / "code" / name).parent.mkdir(parents=True)
        (words.folder / "code" / name).write_text("x")
    (words.folder / "notes.txt").write_text("beside the code")
    (words.folder / "code/words.py").touch()  # the kernel tells of all of these, and this is the first that counts

    line = words.reload()

    assert re.fullmatch(r"deployed \S*project/code/words\.py → Fn .* s", line), line
    assert words.reloads.empty()


def test_many_files_at_once_are_one_change(words: Watched) -> None:
    for number in range(40):
        words.save(f"code/more/module{number}.py", f"N = {number}\n")
    words.save("code/words.py", "from more import module39\nTEXT = str(module39.N)\n")

    wait_until(lambda: words.get().text == "39", seconds=60)

    assert len([line for line in words.lines if line.startswith("deployed")]) <= 3
    (words.folder / "code/more/module39.py").unlink()
    words.save("code/words.py", "import os\nTEXT = str(len(os.listdir(os.path.dirname(__file__) + '/more')))\n")
    wait_until(lambda: words.get().text == "39", seconds=60)


def test_a_folder_that_the_template_comes_to_name_is_watched_from_then_on(words: Watched) -> None:
    words.save("other/app.py", APP)
    words.save("other/words.py", "TEXT = 'other'\n")
    words.save("template.yaml", TEMPLATE.replace("CodeUri: code/", "CodeUri: other/"))
    wait_until(lambda: words.get().text == "other", seconds=60)

    words.save("other/words.py", "TEXT = 'changed'\n")

    wait_until(lambda: words.get().text == "changed", seconds=60)
    words.save("code/words.py", "TEXT = 'no longer named'\n")
    words.save("other/words.py", "TEXT = 'again'\n")
    wait_until(lambda: words.get().text == "again", seconds=60)
    assert not any("project/code/" in line for line in words.lines)


def test_nested_and_included_files_are_part_of_it(up: Up) -> None:
    outer = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner/template.yaml}}
Outputs:
  Fn::Transform: {Name: AWS::Include, Parameters: {Location: outputs.yaml}}
"""
    watched = up(
        {
            "inner/template.yaml": TEMPLATE,
            "inner/code/app.py": APP,
            "inner/code/words.py": "TEXT = 'first'\n",
            "outputs.yaml": "Inner: {Value: !Ref Inner}\n",
        },
        outer,
    )
    assert watched.get().text == "first"

    watched.save("inner/code/words.py", "TEXT = 'second'\n")
    assert re.match(r"deployed \S*inner/code/words\.py → .*\bInner.Fn\b", watched.reload())
    assert watched.get().text == "second"
    watched.save("inner/template.yaml", TEMPLATE.replace("Path: /words", "Path: /others"))
    assert re.match(r"deployed \S*inner/template\.yaml → ", watched.reload())
    assert watched.get("/others").text == "second"
    watched.save("outputs.yaml", "Inner: {Value: !Ref Nowhere}\n")
    assert watched.reload().startswith("not deployed")
    assert re.search(r"^error: \S*outputs\.yaml:1: .*Nowhere", watched.said(), re.MULTILINE), watched.said()


def test_layers_and_requirements_are_part_of_it(up: Up) -> None:
    layer = """
      Layers: [!Ref Layer]
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layer, RetentionPolicy: Delete}
"""
    watched = up({"code/app.py": APP, "layer/python/words.py": "TEXT = 'layer'\n"}, TEMPLATE + layer[1:])
    assert watched.get().text == "layer"

    watched.save("layer/python/words.py", "TEXT = 'changed'\n")
    assert re.search(r"layer/python/words\.py → ", watched.reload())
    assert watched.get().text == "changed"

    info = "words-1.0.dist-info"
    packed = {
        "words.py": "TEXT = 'installed'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    (watched.folder / "words-1.0-py3-none-any.whl").write_bytes(zipped(packed))
    watched.save("code/requirements.txt", "../words-1.0-py3-none-any.whl\n")
    assert watched.reload().startswith("deployed")
    assert watched.get().text == "installed"
    assert "Fn: installing ../words-1.0-py3-none-any.whl by pip" in watched.said()


def test_node_reads_what_is_saved_before_it_takes_a_place(up: Up) -> None:
    template = TEMPLATE.replace("python3.12", "nodejs22.x")
    source = "export const handler = async () => ({statusCode: 200, body: 'first'});\n"
    path = f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"
    watched = up({"code/app.mjs": source}, template, PATH=path)

    watched.save("code/app.mjs", source.replace("({", "({{"))
    assert watched.reload().startswith("not deployed")
    assert re.search(r"^error: \S+/code/app\.mjs:1: SyntaxError: ", watched.said(), re.MULTILINE), watched.said()
    assert watched.get().text == "first"
    watched.save("code/app.mjs", source.replace("first", "second"))

    assert watched.reload().startswith("deployed")
    assert watched.get().text == "second"


def test_each_save_of_a_series_comes_live(words: Watched) -> None:
    """Also one that is saved while the one before is being deployed."""
    for number in range(4):
        words.save("code/words.py", f"TEXT = 'n{number}'\n")
        time.sleep(0.15)  # within a deployment, on any machine

    wait_until(lambda: words.get().text == "n3", seconds=60)
    seen = list(itertools.takewhile(lambda line: line, iter(lambda: _next(words.reloads), "")))
    assert all(line.startswith("deployed") for line in seen)


def _next(lines: "queue.Queue[str]") -> str:
    try:
        return lines.get_nowait()
    except queue.Empty:
        return ""


def test_watching_and_a_dry_run_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(TEMPLATE)

    done = scopegate("up", str(tmp_path / "template.yaml"), "--watch", "--dry-run")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --dry-run ends and --watch goes on")
