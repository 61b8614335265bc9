"""← A careful reviewer's reading of a template: it is deployed into a throw-away store, and its plans are judged.

Nothing is interpreted twice: what a deployment refuses is an error because it is refused, and what is said of a route
is said of its plan (`checks/`). What may be said is `checks/rules.py`.
Source: design, "What is refused when it is made, and what is warned of".
"""

import difflib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Final

from scopegate.ports import Ports
from scopegate.stacks import queries
from scopegate.stacks.checks import browsers, functions, routes
from scopegate.stacks.checks.documents import judge_documents
from scopegate.stacks.checks.look import Look, look_at, overview
from scopegate.stacks.checks.places import Place
from scopegate.stacks.checks.rules import NEVER_IGNORED, RULES, Finding, Report
from scopegate.stacks.deploy import DeploymentFailed, deploy
from scopegate.stacks.extensions import written_out
from scopegate.stacks.model import Stack
from scopegate.stacks.named import nested_files, read_child
from scopegate.stacks.prepare import NOTHING_SENT, Sent
from scopegate.stacks.read import Path, Template, TemplateError
from scopegate.stacks.resolve import Scope
from scopegate.stacks.resources import RESOURCES
from scopegate.stacks.sam import Translators
from scopegate.stacks.types.resource_type import Aws
from scopegate.store.port import Store
from scopegate.store.sealing import Sealer

_MOST_FAULTS: Final = 20
_NAMES: Final = re.compile(r"[A-Za-z0-9]+")


async def check(
    store: Store,
    seal: Sealer,
    ports: Ports,
    aws: Aws,
    template: Template,
    given: Mapping[str, str],
    exports: Mapping[str, str],
    code: Mapping[tuple[str, str], FilePath],
    ignore: Iterable[str] = (),
    sent: Sent = NOTHING_SENT,
    translators: Translators | None = None,
) -> Report:
    """Deploy the template and judge what came of it. What cannot be deployed is said; the rest is then not judged.

    template: as the user wrote it, code uploaded. code: (file, logical id) of a function → where its files lie.
    ignore: rules of which nothing is told. translators: as of `deploy`.
    """
    notes = [*template.notes]

    def say(event: dict[str, Any]) -> None:
        if "note" in event:
            notes.append(event["note"])

    found, ignored = _without_ignored(template, judge_documents(template), frozenset(ignore))
    apis: tuple[Mapping[str, Any], ...] = ()
    try:
        stack = await deploy(store, seal, aws, template, given, exports, say, sent, translators)
    except TemplateError as error:
        found.append(fault(error, template.file))

        async def deploy_rest(rest: Template, skip_unknown: bool) -> None:
            and_without = replace(sent, skip_unknown=skip_unknown)
            await deploy(store, seal, aws, rest, given, exports, lambda _: None, and_without, translators)

        found += await _further_faults(template, error, deploy_rest)
    except DeploymentFailed as failed:
        cause = failed.cause if isinstance(failed.cause, TemplateError) else TemplateError(str(failed))
        found.append(fault(cause, template.file))
    else:
        tree = await store.read(lambda tx: queries.list_tree(tx, seal, aws.account, aws.region, stack))
        looks = [look async for look in _looks(aws, ports, template, stack, tree, sent, code)]
        apis = tuple(api for look in looks for api in overview(look))
        notes = list(map(looks[0].places.named, notes))
        for look in looks:
            judged = [finding for judge in _JUDGES for finding in judge(look)]
            kept, passed_over = _without_ignored(look.template, judged, frozenset(ignore))
            found += kept
            ignored += passed_over
    return Report(template.file, apis, tuple(sorted(found, key=_place)), tuple(notes), ignored)


async def _looks(
    aws: Aws,
    ports: Ports,
    template: Template,
    stack: Stack,
    tree: Sequence[Stack],
    sent: Sent,
    code: Mapping[tuple[str, str], FilePath],
    chain: tuple[str, ...] = (),
) -> AsyncIterator[Look]:
    """What is known of a stack, then of each that is nested in it. tree: all of them."""
    chain = (*chain, template.file)
    template = written_out(Scope(template, stack.parameters, aws.account, aws.region, stack.name, stack.stack_id))
    yield await look_at(aws, ports, template, stack, tree, code)
    for named in nested_files(template):
        made = stack.resources.get(named.logical_id)
        inner = next((each for each in tree if made is not None and each.stack_id == made.physical_id), None)
        if inner is not None:
            child = read_child(sent.files, template, named, chain).template
            async for look in _looks(aws, ports, child, inner, tree, sent, code, chain):
                yield look


async def _further_faults(
    template: Template, error: TemplateError, deploy_rest: Callable[[Template, bool], Awaitable[None]]
) -> list[Finding]:
    """What else is refused before anything is made, when what is refused already is left out.

    deploy_rest: takes a template, and whether unknown types are left out: those are told of all together.
    A failure under way ends the search: it may be about what is left out.
    """
    found: list[Finding] = []
    rest, skip_unknown = template, False
    while len(found) < _MOST_FAULTS:
        if not skip_unknown and _is_of_no_type(template, error.path):
            skip_unknown = True
        elif (left := _without(rest, error.path)) is not None:
            rest = left
        else:
            break
        try:
            await deploy_rest(rest, skip_unknown)
            break
        except TemplateError as further:
            error = further
            found.append(fault(error, template.file))
        except DeploymentFailed:
            break
    return found


def _is_of_no_type(template: Template, path: Path) -> bool:
    resource = template.resources.get(str(path[1])) if len(path) == 2 and path[0] == "Resources" else None
    kind = str(resource.get("Type", "")) if isinstance(resource, dict) else ""
    return bool(kind) and kind not in RESOURCES and not kind.startswith(("AWS::Serverless::", "Custom::"))


def _without(template: Template, path: Path) -> Template | None:
    """The template without the resource or output of a path and what refers to that; None when nothing is left, or the
    path is of something else."""
    document = dict(template.document)
    resources = dict(template.resources)
    outputs = dict(document.get("Outputs") or {})
    match path[:2]:
        case ("Outputs", name):
            outputs.pop(str(name), None)
        case ("Resources", name):
            owner = max((each for each in resources if str(name).startswith(each)), key=len, default="")
            gone = {owner}
            while gone & resources.keys():
                resources = {each: resource for each, resource in resources.items() if each not in gone}
                gone |= {each for each, resource in resources.items() if _mentioned(resource) & gone}
            outputs = {each: output for each, output in outputs.items() if not _mentioned(output) & gone}
        case _:
            return None
    document |= {"Resources": resources, "Outputs": outputs}
    changed = (resources, outputs) != (template.resources, template.document.get("Outputs") or {})
    return replace(template, document=document) if resources and changed else None


def _mentioned(value: Any) -> set[str]:
    """The resources that a value refers to, and some words that are none."""
    match value:
        case list():
            return {name for item in value for name in _mentioned(item)}
        case dict():
            found = {name for item in value.values() for name in _mentioned(item)}
            for key in ("Ref", "DependsOn", "Fn::GetAtt", "Fn::Sub"):
                said = value.get(key)
                words = said if isinstance(said, list) else [said]
                found |= {name for word in words if isinstance(word, str) for name in _NAMES.findall(word)}
            return found
    return set()


def fault(error: TemplateError, file: str) -> Finding:
    """What a deployment of `file` refuses, as a finding."""
    return Finding("refused", error.message, error.file or file, error.line)


def _place(finding: Finding) -> tuple[str, int, str, str]:
    return finding.file, finding.line or 0, finding.rule, finding.message


def _without_ignored(template: Template, found: Iterable[Finding], ignore: frozenset[str]) -> tuple[list[Finding], int]:
    """Each thing once; and how many were left out."""
    kept: list[Finding] = []
    ignored = 0
    for finding in dict.fromkeys(found):
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
    routes.judge_issuers,
    routes.judge_what_is_not_acted_on,
    functions.judge_functions,
    functions.judge_caches,
    browsers.judge_cors,
    _judge_metadata,
)
