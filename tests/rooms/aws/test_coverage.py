"""What docs/coverage.md says of an operation, from the table and its docstring."""

from typing import Any

from scopegate.aws.coverage import render_coverage
from tests.rooms.aws.wires import MODELS


def get_caller_identity(call: Any, request: Any) -> None:
    """GetCallerIdentity. All of it."""


def get_session_token(call: Any, request: Any) -> None:
    """GetSessionToken. Partly: no
    MFA.

    More words.
    """


def test_works_partly_and_not_yet() -> None:
    operations = {("sts", "GetCallerIdentity"): get_caller_identity, ("sts", "GetSessionToken"): get_session_token}
    page = render_coverage(operations, MODELS)

    assert "| sts | 1 | 1 | 9 |" in page
    assert "| GetCallerIdentity | works |  |" in page
    assert "| GetSessionToken | partly | no MFA. |" in page
    assert "Not yet (9): AssumeRole, " in page
