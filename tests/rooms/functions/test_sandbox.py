"""Which walls a machine offers; inside them, attacks F2 and F3 are tested in tests/attacks."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scopegate.functions.sandbox import Isolation
from tests.rooms.functions.running import isolations

SCRIPT = """
import sys
from pathlib import Path
from tests.rooms.functions.running import running
with running(Path(sys.argv[1])) as runs:
    answer = runs.function("import os\\ndef handler(event, context):\\n    return os.getuid()").call({})
    print(runs.runner.isolation, answer.outcome.function_error, answer.json)
"""


# A machine that forbids user namespaces has no such root either.
@pytest.mark.parametrize("isolation", [name for name in isolations() if name == "bwrap"])
def test_root_of_a_namespace_without_other_users_gives_none(tmp_path: Path, isolation: Isolation) -> None:
    """user_namespaces(7): in a rootless container root may exist without the users that environments are given."""
    inside = [str(shutil.which(isolation)), "--dev-bind", "/", "/", "--unshare-user", "--uid", "0", "--gid", "0", "--"]

    done = subprocess.run(
        [*inside, sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.split() == ["bwrap", "None", "993"], done.stderr
