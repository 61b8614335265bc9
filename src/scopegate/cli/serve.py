"""`up` and `serve`: start the server in this process tree; `up` then deploys its template as any client would."""

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings, read_settings
from scopegate.cli import render
from scopegate.cli.client import Client
from scopegate.functions.package import pack_folder
from scopegate.server import processes
from scopegate.server.processes import Started
from scopegate.stacks.read import Template, read_template

_SAME_AS_LOCALHOST: Final = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
BUCKET: Final = "scopegate-artifacts"
TEMPLATE_NAMES: Final = ("template.yaml", "template.yml", "template.json")


def run(
    flags: Mapping[str, Any],
    *,
    template: Path | None = None,
    stack_name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    then: Callable[[Console, Client], None] | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; a template is read before anything starts, so that its faults stop everything.

    then: called once everything is up and shown.
    """
    settings = read_settings(flags)
    read = None if template is None else _read(template)
    console = Console(stderr=False, highlight=False)
    name = stack_name or _stack_name(template)
    failed = threading.Event()

    def started(where: Started) -> None:
        _banner(console, settings, where)
        if read is None and not settings.development:
            return

        def deploy_and_show() -> None:
            try:
                client = Client(where.local_url)
                if read is not None:
                    deploy(console, client, read, name, parameters or {})
                seen = client.own("GET", "overview")
                render.routes_table(console, seen["apis"])
                render.functions(console, [function for function in seen["functions"] if function["warning"]])
                if then is not None:
                    then(console, client)
                console.print("ready; Ctrl-C stops")
            except SetupError as error:
                if not where.is_stopping():  # else the server went away because it was told to
                    console.print(f"error: {error}", markup=False, soft_wrap=True)
                    failed.set()
                    processes.stop()
            except SystemExit:  # rich's word for a closed standard output: nobody is there to serve for
                processes.stop()
            except BaseException:  # whatever it is, a server that says nothing must not stay behind
                failed.set()
                processes.stop()
                raise

        threading.Thread(target=deploy_and_show, name="deploy", daemon=True).start()

    # A story is told without log lines in between; so is a deployment, where somebody looks on. What they would warn
    # of is said at its end.
    quiet = then is not None or (read is not None and sys.stderr.isatty())
    processes.serve(settings, started, log_level="ERROR" if quiet else "INFO")
    if failed.is_set():
        raise SystemExit(1)


def _banner(console: Console, settings: Settings, where: Started) -> None:
    mode = "development mode" if settings.development else "production mode"
    render.line(console, f"[bold]Scopegate[/bold] at {escape(where.public_url)} ({mode})")
    if settings.public_url is not None or settings.host not in _SAME_AS_LOCALHOST:
        render.line(console, f"listening on {where.local_url}")
    if settings.development and settings.trust_network:
        warning = "--trust-network: anyone who reaches this port controls everything."
        render.line(console, f"[red bold]{warning}[/red bold]")
    if settings.test_clock is not None:
        render.line(console, f"[yellow]The wall clock is turned by {escape(str(settings.test_clock))}.[/yellow]")
    render.line(console)


def find_template(folder: Path) -> Path:
    """The template of a folder, by the names that `sam` looks for. Raises SetupError when there is none."""
    for name in TEMPLATE_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise SetupError(
        f"There is no {', '.join(TEMPLATE_NAMES)} here; name a file (scopegate up FILE), "
        "or start an empty server: scopegate serve --dev"
    )


def _read(path: Path) -> Template:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    return read_template(text, str(path))


def _stack_name(template: Path | None) -> str:
    """The folder's name, as `sam` would offer it, made to fit."""
    base = template.resolve().parent.name if template is not None else "stack"
    name = "".join(character if character.isalnum() and character.isascii() else "-" for character in base)
    name = name.strip("-")
    return name if name[:1].isalpha() else f"stack-{name}".rstrip("-")


def deploy(
    console: Console, client: Client, template: Template, name: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Upload local code, deploy, show progress; the stack's outputs. Raises SetupError with the first cause."""
    body = {
        "template": template.text,
        "file": template.file,
        "code": package(client, template),
        "parameters": dict(parameters),
    }
    render.line(console, f"Stack [bold]{escape(name)}[/bold]")
    outputs: dict[str, Any] | None = None
    for event in client.stream("POST", f"stacks/{name}", json.dumps(body).encode()):
        if "error" in event:
            raise SetupError(event["error"])
        if "outputs" in event:
            outputs = event["outputs"]
        elif "note" in event:
            console.print(f"  note: {event['note']}", markup=False, soft_wrap=True)
        else:
            render.progress_line(console, event)
    if outputs is None:
        raise SetupError(f"The deployment of {name} broke off; the next one undoes what it had begun")
    for key, value in outputs.items():
        console.print(f"  {key} = {value}", markup=False, soft_wrap=True)
    console.print()
    return outputs


def package(client: Client, template: Template) -> dict[str, dict[str, Any]]:
    """Upload local code, as `sam package` does: logical id → the property that names what was uploaded."""
    base = Path(template.file).parent
    default = ((template.document.get("Globals") or {}).get("Function") or {}).get("CodeUri")
    uploaded: dict[str, dict[str, Any]] = {}
    for logical_id, resource in template.resources.items():
        properties = resource.get("Properties") or {}
        if resource["Type"] == "AWS::Serverless::Function" and "InlineCode" not in properties:
            given, member = properties.get("CodeUri", default if default is not None else "."), "CodeUri"
        elif resource["Type"] == "AWS::Lambda::Function" and isinstance(properties.get("Code"), str):
            given, member = properties["Code"], "Code"
        else:
            continue
        if not isinstance(given, str) or given.startswith("s3://"):
            continue
        key = _upload(client, template, base / given, ("Resources", logical_id, "Properties", member))
        location = f"s3://{BUCKET}/{key}" if member == "CodeUri" else {"S3Bucket": BUCKET, "S3Key": key}
        uploaded[logical_id] = {member: location}
    return uploaded


def _upload(client: Client, template: Template, path: Path, where: tuple[str, ...]) -> str:
    if path.is_dir():
        packed = pack_folder(path)
    elif path.is_file():
        packed = path.read_bytes()
    else:
        raise template.error(f"The code {path} is not there", *where)
    sha256 = hashlib.sha256(packed).hexdigest()
    client.own("PUT", f"artifacts/{sha256}", packed)
    return sha256
