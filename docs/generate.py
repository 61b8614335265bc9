"""Writes the generated pages of this manual, from the tables in the source.

`python docs/generate.py` writes them; with `--check` it only says which differ. A test runs the check.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Final

from scopegate.account.aws_policies import KNOWN
from scopegate.aws.coverage import render_coverage
from scopegate.aws.models import Models
from scopegate.aws.policy import TOLD_BY_SERVICES
from scopegate.aws.registry import table
from scopegate.base.limits import LIMITS
from scopegate.base.settings import Settings
from scopegate.cli.main import app
from scopegate.server.operations import PACKAGES
from scopegate.stacks.types import manual

DOCS: Final = Path(__file__).parent


def coverage() -> str:
    models = Models()
    return render_coverage(table(PACKAGES, models), models)


def settings() -> str:
    lines = [
        "# Settings",
        "",
        "A setting is a flag or an environment variable; the flag wins.",
        "Each is read once, at start.",
        "",
    ]
    for row in fields(Settings):
        metadata = row.metadata
        names = [f"`{name}`" for name in (metadata["flag"], metadata["env"]) if name]
        lines += [f"## {row.name.replace('_', '-')}", "", f"{' · '.join(names)} · default: {_default(row)}", ""]
        lines += [metadata["help"], ""]
    return "\n".join(lines)


def _default(row: Any) -> str:
    value = row.default if row.default is not MISSING else row.default_factory()
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`"


def limits() -> str:
    lines = [
        "# Limits",
        "",
        "A *hard* limit is about one request or one object and binds always.",
        "A *quota* is per account, region or second and binds only with `--aws-quotas`.",
        "",
        "| limit | value | unit | kind | source |",
        "|---|---:|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {limit.value:,} | {limit.unit} | {limit.kind} | {limit.source} |"
        for name, limit in LIMITS.items()
    ]
    return "\n".join([*lines, ""])


def commands() -> str:
    """Every command: its words, its examples, its arguments and options."""
    lines = [
        "# Command line",
        "",
        "`scopegate --help` and `scopegate COMMAND --help` say the same.",
        "A mistake is one line on standard error and exit code 2.",
        "Work that was begun and failed, and a call that was refused, end with exit code 1.",
        "",
    ]
    for name, command in _commands():
        said = inspect.cleandoc(command.__doc__ or "").split("\n\n")
        examples = [part.removeprefix("Example: ") for part in said if part.startswith("Example: ")]
        parameters = list(inspect.signature(command).parameters.values())
        own = [parameter for parameter in parameters if parameter.name not in _FLAG_BY_SETTING]
        flags = [_FLAG_BY_SETTING[parameter.name] for parameter in parameters if parameter.name in _FLAG_BY_SETTING]
        lines += [f"## scopegate {name}", ""]
        lines += [" ".join(part.split()) for part in said if not part.startswith("Example: ")]
        lines += ["", "```sh", *examples, "```", ""]
        if own:
            lines += ["| argument or option | what it is | default |", "|---|---|---|"]
            lines += [_parameter(parameter) for parameter in own]
            lines += [""]
        if flags:
            named = ", ".join(f"[`{flag}`](settings.md#{setting})" for setting, flag in flags)
            lines += [f"Settings: {named}.", ""]
    return "\n".join(lines)


_FLAG_BY_SETTING: Final = {
    row.name: (row.name.replace("_", "-"), row.metadata["flag"]) for row in fields(Settings) if row.metadata["flag"]
}


def _commands() -> Iterator[tuple[str, Callable[..., None]]]:
    for info in app.registered_commands:
        assert info.callback is not None
        yield info.name or info.callback.__name__, info.callback
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for info in group.typer_instance.registered_commands:
            assert info.callback is not None
            yield f"{group.name} {info.name}", info.callback


def _parameter(parameter: inspect.Parameter) -> str:
    (described,) = parameter.annotation.__metadata__
    # In an annotation, Typer keeps the first spelling where a default would stand.
    spellings = [text for text in (described.default, *(described.param_decls or ())) if str(text).startswith("-")]
    spellings = spellings or [f"--{parameter.name.replace('_', '-')}"]
    if type(described).__name__ == "ArgumentInfo":
        spellings = [described.metavar or parameter.name.upper()]
    shown = " ".join(f"`{spelling}`" for spelling in spellings)
    if described.envvar:
        shown += f" (`{described.envvar}`)"
    if parameter.default is parameter.empty:
        default = "required"
    else:
        default = "" if parameter.default in (None, False) else f"`{parameter.default}`"
    return f"| {shown} | {described.help} | {default} |"


def policies() -> str:
    lines = [
        "# Policies",
        "",
        "What sessions of functions, sessions by `sts:AssumeRole` and IAM users may do is decided by their policies.",
        "Callers of `AWS_IAM` routes, roles in the credentials of integrations, resource policies of REST APIs and the "
        "answers of Lambda authorizers go through the same evaluator.",
        "",
        "- A deny in any policy refuses; without an Allow nothing is allowed.",
        "- A permissions boundary and session policies have to allow an action as well.",
        "- `Action`, `NotAction`, `Resource`, `NotResource`, wildcards, variables (`${aws:username}`, "
        "`${aws:PrincipalTag/team, 'none'}`) and every condition operator with `IfExists`, `ForAllValues`, "
        "`ForAnyValue`.",
        "- What cannot be evaluated is refused when it is put: `MalformedPolicyDocument`.",
        "- Actions and resources are those of the Service Authorization Reference: `lambda:InvokeFunction` for Invoke, "
        "`apigateway:GET` on `arn:aws:apigateway:us-east-1::/restapis/…`.",
        "- `sts:GetCallerIdentity` and the operations that AWS does not sign need no right.",
        "",
        "Condition keys that have values: `aws:CurrentTime`, `aws:EpochTime`, `aws:MultiFactorAuthPresent`, "
        "`aws:PrincipalAccount`, `aws:PrincipalArn`, `aws:PrincipalTag/…`, `aws:PrincipalType`, `aws:Referer`, "
        "`aws:RequestedRegion`, `aws:RequestTag/…`, `aws:ResourceAccount`, `aws:SecureTransport` (always true), "
        "`aws:SourceIp`, `aws:TagKeys`, `aws:TokenIssueTime`, `aws:UserAgent`, `aws:userid`, `aws:username`, "
        + ", ".join(f"`{key}`" for key in sorted(TOLD_BY_SERVICES))
        + ".",
        "Other global keys are absent, as they are on AWS for such a request.",
        "A condition on `aws:ResourceTag/…`, or on another service's own key, makes an Allow never apply and a Deny "
        "always.",
        "",
        "## Managed policies of AWS",
        "",
        "Each allows what AWS's document allows of the services that are here.",
        "One that is not listed can be attached and grants nothing.",
        "",
        *(f"- `arn:aws:iam::aws:policy{name}`" for name in sorted(KNOWN)),
    ]
    return "\n".join([*lines, ""])


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": commands,
    "coverage.md": coverage,
    "limits.md": limits,
    "policies.md": policies,
    "settings.md": settings,
    **manual.pages(Models()),
}


def stale_pages() -> list[str]:
    """The pages that are not as they would be written, and those of types that are gone."""
    found = [f"types/{path.name}" for path in DOCS.glob("types/*") if f"types/{path.name}" not in PAGES]
    for name, render in PAGES.items():
        path = DOCS / name
        if not path.exists() or path.read_text() != render():
            found.append(name)
    return found


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        stale = stale_pages()
        sys.stdout.write("".join(f"docs/{name} is stale; run: python docs/generate.py\n" for name in stale))
        return 1 if stale else 0
    for name in stale_pages():
        if name in PAGES:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(PAGES[name]())
        else:
            (DOCS / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
