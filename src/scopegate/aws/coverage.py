"""docs/coverage.md, from the service models and the table of operations.

An operation *works* when it is in the table; a line `Partly: …` of its docstring says what it leaves out; one that is
not in the table is *not yet* and answers an error that names it.
"""

import inspect
import re
from collections.abc import Iterator

from scopegate.aws.models import SERVICES, Models, Operation
from scopegate.aws.operations import Table

_PARTLY = re.compile(r"\bPartly: (?P<what>.+?)(?:\n\s*\n|$)", re.DOTALL)

_INTRODUCTION = """\
# Coverage

Which operations of which AWS service this server has.
*works*: all that the operation's page in the AWS API reference says, as far as this server has the things it is about.
*partly*: what it leaves out stands beside it.
*not yet*: it answers the error `NotImplementedException` (status 501), whose message names the operation.
This page is generated from botocore's service models and the operations in the source; a test fails when it drifts.
"""


def render_coverage(table: Table, models: Models) -> str:
    """The page, in Markdown."""
    sections = [_render_service(name, table, models) for name in SERVICES]
    overview = ["| service | works | partly | not yet |", "|---|---:|---:|---:|"]
    overview += [row for row, _ in sections]
    return "\n".join([_INTRODUCTION, *overview, "", *(section for _, section in sections)])


def _render_service(name: str, table: Table, models: Models) -> tuple[str, str]:
    """(its row of the overview, its section)"""
    service = models.service(name)
    lines = []
    counts = {"works": 0, "partly": 0, "not yet": 0}
    missing = []
    for operation in _operations(models, name):
        function = table.get((name, operation.name))
        if function is None:
            counts["not yet"] += 1
            missing.append(operation.name)
            continue
        match = _PARTLY.search(inspect.getdoc(function) or "")
        word = "partly" if match else "works"
        counts[word] += 1
        what = " ".join(match["what"].split()) if match else ""
        lines.append(f"| {operation.name} | {word} | {what} |")
    title = f"## {name} ({service.model.metadata['serviceFullName']})\n"
    body = ["| operation | | what it leaves out |", "|---|---|---|", *lines, ""] if lines else []
    rest = [f"Not yet ({len(missing)}): {', '.join(missing)}.\n"] if missing else []
    row = f"| {name} | {counts['works']} | {counts['partly']} | {counts['not yet']} |"
    return row, "\n".join([title, *body, *rest])


def _operations(models: Models, service: str) -> Iterator[Operation]:
    for name in models.service(service).operation_names():
        yield models.operation(service, name)
