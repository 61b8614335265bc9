"""Attacks on the function runtime: rows F1 to F7, and the runtime's part of U5."""

import asyncio
import base64
import io
import json
import os
import signal
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scopegate.base.errors import AwsError, SetupError
from scopegate.functions import sandbox
from scopegate.functions.environment import RESERVED_NAMES
from scopegate.functions.package import unpack
from scopegate.functions.sandbox import Isolation
from tests.contracts.test_runtimes import system_python
from tests.rooms.functions.running import (
    Answer,
    Function,
    Runs,
    command_line,
    isolations,
    processes_of_functions,
    running,
)
from tests.server import REGION, ROLE, Server, make_function, zipped

Entry = tuple[str, bytes, int]
FILE, LINK, FOLDER = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755


def zip_of(*entries: Entry) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def everything_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def refuse(archive: bytes, folder: Path) -> AwsError:
    """The refusal of an archive; nothing of it may be left, inside the code directory or beside it."""
    root = folder / "deep" / "code"
    root.mkdir(parents=True)
    before = everything_below(folder)

    with pytest.raises(AwsError) as refused:
        unpack(archive, root)

    assert everything_below(folder) == before
    assert refused.value.code == "InvalidParameterValueException"
    return refused.value


@pytest.mark.parametrize(
    "entries",
    [
        [("../evil.py", b"x", FILE)],
        [("lib/../../evil.py", b"x", FILE)],
        [("/tmp/scopegate-evil.py", b"x", FILE)],
        [("..", b"", FOLDER)],
        [("out", b"../..", LINK)],
        [("out", b"/etc/passwd", LINK)],
        [("lib/out", b"../../evil", LINK)],
        [("out", b"/tmp", LINK), ("out/evil.py", b"x", FILE)],
        [("inside", b"lib", LINK), ("lib/", b"", FOLDER), ("inside/evil.py", b"x", FILE)],
        [("a", b"b/..", LINK), ("b", b"c/d", LINK), ("c/d/e", b"..", LINK), ("up", b"a/../..", LINK)],
        [("loop", b"pool", LINK), ("pool", b"loop", LINK)],
        [("empty", b"", LINK)],
        [("file", b"x", FILE), ("file/below", b"x", FILE)],
        [("disk", b"", stat.S_IFBLK | 0o644)],
        [("tty", b"", stat.S_IFCHR | 0o644)],
        [("pipe", b"", stat.S_IFIFO | 0o644)],
        [("socket", b"", stat.S_IFSOCK | 0o644)],
        [("index.py", b"x", FILE), ("index.py", b"y", FILE)],
        [("index.py", b"x", FILE), ("./index.py", b"y", FILE)],
        [("index.py", b"x", FILE), ("INDEX.py", b"y", FILE)],
        [("stra\u00dfe.py", b"x", FILE), ("STRASSE.py", b"y", FILE)],
        [("x" * 300, b"x", FILE)],
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_f1_archive_that_reaches_outside_or_clashes_is_refused_whole(entries: list[Entry], tmp_path: Path) -> None:
    refuse(zip_of(("good.py", b"x = 1", FILE), *entries), tmp_path)


def test_f1_symbolic_link_inside_the_package_is_kept(tmp_path: Path) -> None:
    archive = zip_of(("lib/a.py", b"x", FILE), ("lib/current", b"../lib/a.py", LINK))

    assert (unpack(archive, tmp_path).directory / "lib/current").read_bytes() == b"x"


def test_f1_bomb_is_refused_by_its_table_of_contents(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1_000_000))

    assert refuse(packed.getvalue(), tmp_path).message == "Unzipped size must be smaller than 262144000 bytes"


def test_f1_entry_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    content = zlib.compress(bytes(50_000_000), 9)[2:-4]
    crc = zlib.crc32(bytes(100))
    name = b"liar.bin"
    local = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(content), 100, len(name), 0) + name + content
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 8, 0, 33, crc, len(content), 100, len(name), 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central) + len(name), len(local), 0)

    refuse(local + central + name + end, tmp_path)


def test_f1_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """A quine bomb: many entries of the table of contents share the same compressed bytes."""
    kernel = zip_of(("a", bytes(1_000_000), FILE))
    at = kernel.index(b"PK\1\2")
    entry, size = kernel[at : kernel.index(b"PK\5\6")], at
    entries = b"".join(entry[:46] + b"%c" % (97 + n) + entry[47:] for n in range(20))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 20, 20, len(entries), size, 0)

    refuse(kernel[:at] + entries + end, tmp_path)


def test_f1_million_entries_are_refused(tmp_path: Path) -> None:
    name = b"n%06d"
    entries = b"".join(
        struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0) + name % n
        for n in range(100_001)
    )
    total = 0xFFFF
    zip64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 100_001, 100_001, len(entries), 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, len(entries), 1)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, total, total, 0xFFFFFFFF, 0xFFFFFFFF, 0)

    refuse(entries + zip64 + locator + end, tmp_path)


def test_f1_encrypted_archive_and_unknown_method_are_refused(tmp_path: Path) -> None:
    plain = bytearray(zip_of(("index.py", b"x = 1", FILE)))
    at = plain.index(b"PK\1\2")
    encrypted = bytearray(plain)
    encrypted[6] |= 1
    encrypted[at + 8] |= 1
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("index.py", b"x = 1")

    refuse(bytes(encrypted), tmp_path / "one")
    refuse(packed.getvalue(), tmp_path / "two")


# Isolation


@pytest.fixture(params=isolations())
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runs]:
    with running(tmp_path, request.param) as runs:
        yield runs


LOOK = """
import os
def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(100).decode("latin-1")
    except OSError as error:
        return error.strerror
def handler(event, context):
    processes = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            processes[name] = read("/proc/%s/environ" % name)
    found = []
    for path in event["paths"]:
        found.append(read(path))
    try:
        open(os.environ["LAMBDA_TASK_ROOT"] + "/new", "w")
        wrote = True
    except OSError:
        wrote = False
    return {"processes": processes, "found": found, "environment": dict(os.environ), "wrote": wrote,
            "user": os.getuid(), "groups": os.getgroups(), "descriptors": sorted(os.listdir("/proc/self/fd"))}
"""


def test_f2_code_sees_no_secret_of_the_server_and_no_other_code(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOPEGATE_MASTER_KEY", "server-secret")
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    key = data / "master.key"
    key.write_text("server-secret")
    key.chmod(0o600)
    other = runs.function(LOOK + "# other tenant", memory_mb=512)
    other_root = other.call({"paths": []}).json["environment"]["LAMBDA_TASK_ROOT"]
    paths = [
        str(key),
        str(Path(other.definition.code_dir) / "index.py"),
        *([f"{other_root}/index.py"] if runs.runner.isolation == "user" else []),
        f"/proc/{os.getpid()}/environ",
        f"/proc/{os.getpid()}/root/etc/shadow",
        "/etc/shadow",
    ]

    seen = runs.function(LOOK).call({"paths": paths}).json

    assert set(seen["found"]) <= {"No such file or directory", "Permission denied"}
    assert "server-secret" not in json.dumps(seen)
    assert "SCOPEGATE_MASTER_KEY" not in seen["environment"]
    # Without root the first process has the function's user: it was given nothing that could be read.
    bare = "PATH=/usr/bin:/bin\0LANG=C.UTF-8\0PWD=/var/task\0"
    assert set(seen["processes"].values()) <= {"Permission denied", bare}
    assert seen["wrote"] is False
    assert seen["user"] not in (0, os.getuid())
    assert seen["user"] not in seen["groups"]
    assert not {0, os.getgid()} & set(seen["groups"])
    assert len(seen["descriptors"]) <= 5, "standard streams, the Runtime API, the listing itself"


def test_f2_each_environment_has_a_user_of_its_own_and_no_way_up(runs: Runs) -> None:
    code = """
import os, subprocess
def handler(event, context):
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    return [os.getuid(), status["NoNewPrivs"].strip(), int(status["CapEff"], 16), int(status["CapPrm"], 16)]
"""
    one, two = runs.function(code).call({}).json, runs.function(code).call({}).json

    assert one[0] != two[0] or os.getuid() != 0
    assert one[1:] == two[1:] == ["1", 0, 0]


def test_f2_production_mode_refuses_to_run_without_isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    monkeypatch.setattr(sandbox.os, "geteuid", lambda: 1000)
    sandbox._try_bwrap.cache_clear()
    try:
        with pytest.raises(SetupError, match="--unsafe-functions"):
            sandbox.choose_isolation("auto", required=True)
        assert sandbox.choose_isolation("auto", required=False) == "none"
    finally:
        sandbox._try_bwrap.cache_clear()


ENDLESS = {
    "ignores signals": """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: pass""",
    "daemons": """
    while True:
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
        time.sleep(0.02)""",
    "stdout flood": """
    while True: os.write(1, b'x' * 65535 + b'\\n')""",
    "stdout without a newline": """
    while True: os.write(1, b'x' * 65536)""",
}
FORK_BOMB = """
import os
def handler(event, context):
    if not event: return os.getuid()
    while True:
        try: os.fork()
        except OSError: pass
"""


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_f3_endless_function_is_ended_at_its_timeout_and_leaves_nothing(runs: Runs, body: str) -> None:
    code = f"import os, signal, time\ndef handler(event, context):\n    if not event: return os.getuid(){body}"
    bad, good = runs.function(code, timeout_s=1), runs.function("def handler(event, context):\n    return 1")

    ended, meanwhile = run_beside(runs, bad, good)

    assert ended.json["errorType"] == "Sandbox.Timedout"
    assert ended.outcome.duration_ms < 3_000
    assert meanwhile > 5
    assert others_of(bad.call({}).json) == []
    assert len(runs.logs()) < 6_000_000


def test_f3_fork_bomb_is_ended_before_it_fills_the_machine(runs: Runs) -> None:
    bad, good = runs.function(FORK_BOMB, timeout_s=30), runs.function("def handler(event, context):\n    return 1")

    ended, meanwhile = run_beside(runs, bad, good)

    assert ended.json["errorType"] in ("Runtime.ExitError", "Runtime.OutOfMemory")
    assert ended.outcome.duration_ms < 5_000
    assert meanwhile > 0
    assert others_of(bad.call({}).json) == []


def run_beside(runs: Runs, bad: Function, good: Function) -> tuple[Answer, int]:
    """What comes of a function that does harm, and how many calls of another one were answered meanwhile."""

    async def both() -> tuple[Answer, int]:
        ending = asyncio.ensure_future(bad.call_async({"run": True}))
        answered = 0
        while not ending.done():
            assert (await good.call_async({})).json == 1
            answered += not ending.done()
            await asyncio.wait([ending], timeout=0.02)
        return await ending, answered

    assert good.call({}).json == 1
    bad.call({})
    return runs.wait(both())


def others_of(user: int) -> list[bytes]:
    """Command lines of what an environment's user runs, beside the runtime itself."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid == user:
                found.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            continue
    return [command for command in found if not command.endswith(b"/bootstrap.py\0")] + found[1:]


def test_f3_memory_limit(runs: Runs) -> None:
    """Also when it is spread over processes."""
    code = """
import os, time
def handler(event, context):
    if not event: return 1
    if event["children"]:
        for _ in range(4):
            if os.fork() == 0:
                hold = bytearray(100_000_000); time.sleep(60)
    else:
        hold = bytearray(600_000_000)
    time.sleep(60)
"""
    function = runs.function(code, timeout_s=30)

    alone, together, after = function.call({"children": False}), function.call({"children": True}), function.call({})

    for failed in (alone, together):
        assert failed.json == {
            "errorType": "Runtime.OutOfMemory",
            "errorMessage": f"RequestId: {failed.request_id} Error: Runtime exited with error: signal: killed",
        }
        assert failed.log.endswith("\tStatus: error\tError Type: Runtime.OutOfMemory\n")
        assert failed.outcome.duration_ms < 20_000
    assert after.json == 1


def test_f3_descriptors_and_disk_run_out_inside_only(runs: Runs) -> None:
    code = """
import os, tempfile
def handler(event, context):
    files = []
    try:
        while True: files.append(open("/dev/null"))
    except OSError as error:
        descriptors = (len(files), error.errno)
    for file in files: file.close()
    try:
        with open(tempfile.gettempdir() + "/fill", "wb") as file:
            while True: file.write(bytes(1_000_000))
    except OSError as error:
        return [descriptors, error.errno]
"""
    (count, number), disk = runs.function(code, ephemeral_storage_mb=16).call({}).json

    assert count < 1024
    assert number == 24  # EMFILE
    assert disk in (27, 28)  # EFBIG, ENOSPC


def test_f2_nothing_that_an_environment_wrote_is_left_for_the_next(runs: Runs) -> None:
    """Users of environments are given again: also what lies where anybody may write goes."""
    code = """
import os
PLACES = [os.environ.get("TMPDIR", "/tmp"), "/tmp", "/var/tmp", "/dev/shm"]
def handler(event, context):
    wrote = []
    for place in PLACES:
        try:
            os.makedirs(place + "/left/deep", exist_ok=True)
            with open(place + "/left/deep/secret", "w") as file:
                file.write("secret")
            wrote.append(place + "/left/deep/secret")
        except OSError:
            pass
    return wrote
"""
    function = runs.function(code)
    (wrote, temporary) = function.call({}).json, runs.runner.sandbox.scratch
    runs.wait(runs.runner.retire(function.definition.revision))
    deadline = time.monotonic() + 5
    while function.environments:
        assert time.monotonic() < deadline
        runs.wait(asyncio.sleep(0.02))

    assert wrote
    assert [path for path in wrote if os.path.exists(path)] == []
    assert [path.name for path in temporary.iterdir() if path.name.startswith(("environment-", "code-"))] == []


def test_f3_scratch_of_a_killed_runner_goes_with_the_next_start(tmp_path: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix="scopegate-functions-"))
    (old / "environment-1").mkdir()
    os.utime(old, (time.time() - 3600, time.time() - 3600))

    with running(tmp_path) as one, running(tmp_path) as two:
        assert not old.exists()
        assert one.runner.sandbox.scratch.exists()
        assert two.runner.sandbox.scratch.exists()
    assert not one.runner.sandbox.scratch.exists()


@pytest.mark.parametrize("isolation", [*isolations(), "none"])
def test_f3_nothing_outlives_the_runner(tmp_path: Path, isolation: Isolation) -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
def handler(event, context):
    return 1
"""
    others = set(processes_of_functions())  # of a server that other tests of this process use
    with running(tmp_path, isolation) as runs:
        assert runs.function(code).call({}).json == 1
        started = [pid for pid in processes_of_functions() if pid not in others]

    assert len(started) >= 3, "the first process, the runtime, its daemon"
    assert [pid for pid in started if b"/bootstrap" in command_line(pid)] == []


# Runtime API


CLIENT = """#!%s
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}):
    api.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read().decode(), answer.headers.get("lambda-runtime-aws-request-id")
before = None
while True:
    _, payload, request_id = call("GET", "invocation/next")
    event, seen = json.loads(payload), []
%s
"""


def client(body: str) -> dict[str, str]:
    return {"bootstrap": CLIENT % (system_python(), "\n".join("    " + line for line in body.splitlines()))}


def test_f4_answer_for_another_invocation_is_refused(tmp_path: Path) -> None:
    """Reference, Error answers of the Runtime API: the id first, then the state."""
    body = """
seen.append(call("POST", "invocation/8f507cfc-0000-4000-8000-999999999999/response", "1")[:2])
if before: seen.append(call("POST", "invocation/" + before + "/response", "1")[:2])
seen.append(call("GET", "invocation/next")[:2])
seen.append(call("POST", "init/error", "{}")[:2])
call("POST", "invocation/" + request_id + "/response", json.dumps(seen))
again = call("POST", "invocation/" + request_id + "/response", "2")
assert again[0] == 403, again
before = request_id
"""
    with running(tmp_path) as runs:
        function = runs.function(client(body), runtime="provided.al2023")
        first, second = function.call({}).json, function.call({}).json

    unknown = [400, '{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}']
    transition = (
        '{"errorMessage":"State transition from Running to %s failed for runtime. '
        'Error: State transition is not allowed","errorType":"InvalidStateTransition"}'
    )
    states = [[403, transition % "Ready"], [403, transition % "InitError"]]
    assert first == [unknown, *states]
    assert second == [unknown, unknown, *states]


def test_f4_two_invocations_never_share_an_environment(runs: Runs) -> None:
    code = """
import time
running = 0
def handler(event, context):
    global running
    running += 1
    seen = running
    time.sleep(0.02)
    running -= 1
    return [seen, event, context.aws_request_id]
"""
    function = runs.function(code)

    answers = function.call_many(list(range(24)))

    assert [answer.json for answer in answers] == [[1, n, answer.request_id] for n, answer in enumerate(answers)]


def test_f4_answer_after_the_timeout_reaches_nobody(runs: Runs) -> None:
    code = """
import time
def handler(event, context):
    if event["slow"]:
        try:
            time.sleep(event["slow"])
        finally:
            pass
    return event["name"]
"""
    function = runs.function(code, timeout_s=1)

    late = function.call({"slow": 1.0, "name": "late"})
    following = [function.call({"slow": 0, "name": name}).json for name in "abc"]

    assert late.json == "late" or late.json["errorType"] == "Sandbox.Timedout"
    assert following == ["a", "b", "c"]


def test_f6_user_variables_reach_the_function_alone(runs: Runs) -> None:
    """A loader variable acts in the function's process, under its user, never in what starts it."""
    library = "/var/task/evil.so"
    environment = {
        "LD_PRELOAD": library,
        "PYTHONPATH": "/var/task/first",
        "LAMBDA_TASK_ROOT": "/",
        "AWS_LAMBDA_FUNCTION_NAME": "other",
        "_HANDLER": "other.handler",
        "AWS_SESSION_TOKEN": "other",
        "PATH": "/var/task/bin",
    }
    code = "import os\ndef handler(event, context):\n    return dict(os.environ)"

    answer = runs.function(code, environment=environment).call({})

    seen = answer.json
    assert seen["LD_PRELOAD"] == library
    assert seen["PATH"] == "/var/task/bin"
    assert {name: seen[name] for name in environment if name in RESERVED_NAMES} == {
        "LAMBDA_TASK_ROOT": seen["LAMBDA_TASK_ROOT"],
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "_HANDLER": "index.handler",
        "AWS_SESSION_TOKEN": "example-token",
    }
    assert seen["LAMBDA_TASK_ROOT"] != "/"
    # The loader complains once, in the function's own process; the processes before it never saw the variable.
    assert runs.logs().count("evil.so") <= 2


def test_f6_handler_that_climbs_out_is_refused(runs: Runs) -> None:
    node = runs.function("exports.handler = async () => 1", runtime="nodejs20.x", handler="../../tmp/evil.handler")
    python = runs.function("def handler(event, context):\n    return 1", handler="../../tmp/evil.handler")

    assert node.call({}).json["errorType"] == "Runtime.MalformedHandlerName"
    assert python.call({}).outcome.function_error == "Unhandled"


def test_f7_invalid_text_stays_a_lambda_error(runs: Runs) -> None:
    function = runs.function("def handler(event, context):\n    raise Exception('\\udcff' + event)")

    broken, lone = function.call(payload=b'"\xff\xfe"'), function.call("x")

    assert broken.json["errorType"] == "Runtime.UnmarshalError"
    assert lone.outcome.function_error == "Unhandled"
    assert json.loads(lone.outcome.payload.decode(errors="replace"))["errorType"] == "Exception"
    for answer in (broken, lone):
        assert "scopegate" not in answer.outcome.payload.decode(errors="replace").lower()


# U5: another environment's Runtime API


ASK = """
import http.client
def handler(event, context):
    api = http.client.HTTPConnection("127.0.0.1", event["port"], timeout=5)
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    return [answer.status, answer.read().decode()]
"""


def test_u5_runtime_api_of_another_environment_refuses(runs: Runs) -> None:
    body = 'call("POST", "invocation/" + request_id + "/response", os.environ["AWS_LAMBDA_RUNTIME_API"])'
    target = runs.function(client(body), runtime="provided.al2023")
    port = int(target.call({}).outcome.payload.rpartition(b":")[2])

    status, text = runs.function(ASK).call({"port": port}).json

    assert (status, json.loads(text)["errorType"]) == (403, "Forbidden")
    assert target.call({}).outcome.function_error is None


def test_u5_runtime_api_refuses_browsers(tmp_path: Path) -> None:
    body = """
seen = call("GET", "invocation/next", headers={"Origin": "https://evil.example"})[:2]
api.close()
call("POST", "invocation/" + request_id + "/response", json.dumps(seen))
"""
    with running(tmp_path) as runs:
        status, _ = runs.function(client(body), runtime="provided.al2023").call({}).json

    assert status == 403


# Over the wire


def post_function(server: Server, document: dict[str, Any]) -> Any:
    """CreateFunction with whatever the document has, past every check of an SDK."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    credential = f"test/{moment[:8]}/{REGION}/lambda/aws4_request"
    signed = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}"
    full = {
        "Role": ROLE,
        "Runtime": "python3.12",
        "Handler": "app.handler",
        "Code": {"ZipFile": base64.b64encode(zipped({"app.py": LOOK})).decode()},
        **document,
    }
    headers = {"Authorization": signed, "X-Amz-Date": moment}
    return server.http("POST", "/2015-03-31/functions", json=full, headers=headers)


def test_f5_members_that_the_contract_lacks_have_no_effect(server: Server) -> None:
    """The members of CreateFunction are the allow list; nothing of the rest is kept or reaches the runtime."""
    privileged = {
        "User": "root",
        "Privileged": True,
        "SecurityContext": {"privileged": True, "runAsUser": 0},
        "Isolation": "none",
        "Binds": ["/:/host"],
        "Command": ["/bin/sh"],
        "code_dir": "/etc",
        "uid": 0,
    }

    made = post_function(server, {"FunctionName": "privileged", **privileged})

    assert made.status_code == 201, made.text
    assert not set(privileged) & set(made.json())
    payload = server.aws("lambda").invoke(FunctionName="privileged", Payload=b'{"paths": ["/etc/shadow"]}')["Payload"]
    seen = json.load(payload)
    assert seen["user"] != 0
    assert seen["found"] != [""]
    assert not seen["found"][0].startswith("root:")


@pytest.mark.parametrize(
    "document",
    [
        {"FunctionName": "../../etc/cron.d/x"},
        {"FunctionName": "a/b"},
        {"FunctionName": "x" * 65},
        {"FunctionName": "f6", "Handler": "a b.handler"},
        {"FunctionName": "f6", "Layers": ["../../layer"]},
        {"FunctionName": "f6", "Environment": {"Variables": {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:80"}}},
        {"FunctionName": "f6", "Environment": {"Variables": {"../X": "1"}}},
        {"FunctionName": "f6", "Environment": {"Variables": {"A=B": "1"}}},
        {"FunctionName": "f6", "Environment": {"Variables": {"LD PRELOAD": "1"}}},
        {"FunctionName": "f6", "Environment": {"Variables": {"AB": "x\0y"}}},
        {"FunctionName": "f6", "LoggingConfig": {"LogGroup": "../../x y"}},
    ],
    ids=lambda document: next(reversed(document)),
)
def test_f6_names_that_reach_elsewhere_are_refused_when_made(server: Server, document: dict[str, Any]) -> None:
    refused = post_function(server, document)

    assert refused.status_code == 400, refused.text
    assert refused.headers["x-amzn-errortype"].partition(":")[0] in (
        "ValidationException",
        "InvalidParameterValueException",
        "SerializationException",
    )


def test_f7_payload_of_one_byte_too_much_is_lambdas_413(server: Server) -> None:
    make_function(server, "sizes", "def handler(event, context):\n    return len(event)")
    client = server.aws("lambda")
    largest = b'"' + b"x" * (6_291_456 - 2) + b'"'

    passed = client.invoke(FunctionName="sizes", Payload=largest)
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName="sizes", Payload=largest[:-1] + b'y"')
    with pytest.raises(ClientError) as invalid:
        client.invoke(FunctionName="sizes", Payload=b'"\xff"')

    assert json.load(passed["Payload"]) == 6_291_454
    assert refused.value.response["Error"]["Code"] == "RequestEntityTooLargeException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert invalid.value.response["Error"]["Code"] == "InvalidRequestContentException"


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(3600)
def handler(event, context):
    if event: time.sleep(3600)
    return 1
"""


def of_functions(server: Server) -> list[str]:
    """Every process of this server's functions, found by what only they have in their environment."""
    mark = f"MARK={server.data_dir}".encode()
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if mark in read_environment(pid).split(b"\0")]


def read_environment(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("way", "roles"), [("SIGTERM", ()), ("kill -9", ()), ("kill -9", ("--workers", "2"))], ids=["stop", "kill", "roles"]
)
def test_f3_nothing_outlives_the_server(start_server: Callable[..., Server], way: str, roles: tuple[str, ...]) -> None:
    server = start_server("serve", "--dev", "--ephemeral", *roles)
    names = ("idle",) if roles else ("idle", "busy")  # a runner without its parent drains first, for ten seconds
    for name in names:
        make_function(server, name, DAEMON, Environment={"Variables": {"MARK": str(server.data_dir)}})
    assert json.load(server.aws("lambda").invoke(FunctionName="idle")["Payload"]) == 1
    if "busy" in names:
        server.aws("lambda").invoke(FunctionName="busy", InvocationType="Event", Payload=b'"stay"')
    deadline = time.monotonic() + 10
    while len(of_functions(server)) < 2 * len(names):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    if way == "SIGTERM":
        assert server.stop() == 0
    else:
        os.kill(server.process.pid, signal.SIGKILL)

    deadline = time.monotonic() + (0 if way == "SIGTERM" else 10)
    while of_functions(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)
