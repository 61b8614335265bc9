"""← A careful reviewer's reading of a template: it is deployed into a throw-away store, and its plans are judged.

Nothing is interpreted twice: what a deployment refuses is an error because it is refused, and what is said of a route
is said of its plan (`checks/`). What may be said is `checks/rules.py`.
Source: design, "What is refused when it is made, and what is warned of".
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from scopegate.ports import Ports
from scopegate.stacks.checks import browsers, functions, routes
from scopegate.stacks.checks.look import Look, look_at, overview
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import NEVER_IGNORED, RULES, Finding, Report
from scopegate.stacks.deploy import DeploymentFailed, deploy
from scopegate.stacks.read import Template, TemplateError
from scopegate.stacks.types.resource_type import Aws
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer


async def check(
    store: Store,
    seal: Sealer,
    ports: Ports,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    code: Mapping[str, Path],
    ignore: Iterable[str] = (),
) -> Report:
    """Deploy the template and judge what came of it. What cannot be deployed is said; the rest is then not judged.

    template: as the user wrote it, code uploaded. code: logical id of a function → where its files lie.
    ignore: rules of which nothing is told.
    """
    notes = [*template.notes]

    def say(event: dict[str, Any]) -> None:
        if "note" in event:
            notes.append(event["note"])

    try:
        stack = await deploy(store, seal, aws, template, given, exports, say)
    except TemplateError as error:
        return Report(template.file, findings=(fault(error, template.file),), notes=tuple(notes))
    except DeploymentFailed as failed:
        cause = failed.cause if isinstance(failed.cause, TemplateError) else TemplateError(str(failed))
        return Report(template.file, findings=(fault(cause, template.file),), notes=tuple(notes))
    look = await look_at(aws, ports, template, stack, code)
    found = [finding for judge in _JUDGES for finding in judge(look)]
    kept, ignored = _without_ignored(template, found, frozenset(ignore))
    shown = tuple(map(look.places.named, notes))
    return Report(template.file, tuple(overview(look)), tuple(kept), shown, ignored)


def fault(error: TemplateError, file: str) -> Finding:
    """What a deployment of `file` refuses, as a finding."""
    return Finding("refused", error.message, error.file or file, error.line)


def _without_ignored(template: Template, found: Iterable[Finding], ignore: frozenset[str]) -> tuple[list[Finding], int]:
    """In the order of the file, each thing once; and how many were left out."""
    kept: list[Finding] = []
    ignored = 0
    for finding in sorted(dict.fromkeys(found), key=lambda each: (each.file, each.line or 0, each.rule, each.message)):
        named = ignore.union(*(_ignored_by(template, owner) for owner in finding.owners))
        if finding.rule in named - NEVER_IGNORED:
            ignored += 1
        else:
            kept.append(finding)
    return kept, ignored


def _ignored_by(template: Template, logical_id: str) -> frozenset[str]:
    """What `Metadata: {scopegate: {ignore: [...]}}` of a resource names."""
    named: Any = template.resources.get(logical_id)
    for key in ("Metadata", "scopegate", "ignore"):
        named = named.get(key) if isinstance(named, dict) else None
    return frozenset(map(str, named)) if isinstance(named, list) else frozenset()


def _judge_metadata(look: Look) -> Iterator[Finding]:
    for logical_id in look.template.resources:
        named = _ignored_by(look.template, logical_id)
        for rule in sorted(named - RULES.keys()):
            near = difflib.get_close_matches(rule, RULES, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            path = look.template.find_key("ignore", "Resources", logical_id, "Metadata")
            snippet = look.places.snippet(path, [*sorted(named & RULES.keys()), *near])
            place = Place(path, "other", (logical_id,))
            yield look.finding("unknown-rule", f"{logical_id} ignores {rule}, which is no rule{hint}", place, snippet)


_JUDGES: Final[Sequence[Callable[[Look], Iterator[Finding]]]] = (
    routes.judge_closed,
    routes.judge_open,
    routes.judge_scopes,
    routes.judge_audiences,
    routes.judge_what_is_not_acted_on,
    functions.judge_functions,
    functions.judge_caches,
    browsers.judge_cors,
    _judge_metadata,
)
