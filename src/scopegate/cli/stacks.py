"""Stacks from the command line: local files go up, events and outputs come back. The work itself is the server's."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from scopegate.base.errors import SetupError
from scopegate.cli import render
from scopegate.cli.client import Client
from scopegate.functions.package import pack_folder
from scopegate.stacks.read import Template, read_template

BUCKET: Final = "scopegate-artifacts"
TEMPLATE_NAMES: Final = ("template.yaml", "template.yml", "template.json")


def find_template(folder: Path) -> Path:
    """The template of a folder, by the names that `sam` looks for. Raises SetupError when there is none."""
    for name in TEMPLATE_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise SetupError(
        f"There is no {', '.join(TEMPLATE_NAMES)} here; name a file (scopegate up FILE), "
        "or start an empty server: scopegate serve --dev"
    )


def read(path: Path) -> Template:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from error
    return read_template(text, str(path))


def _stack_name(template: Path) -> str:
    """The folder's name, as `sam` would offer it, made to fit."""
    base = template.resolve().parent.name
    name = "".join(character if character.isalnum() and character.isascii() else "-" for character in base)
    name = name.strip("-")
    return name if name[:1].isalpha() else f"stack-{name}".rstrip("-")


def deploy(
    console: Console, client: Client, template: Template, name: str | None, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Upload local code, deploy, show progress; the stack's outputs. Raises SetupError with the first cause.

    name: None takes the name of the template's folder.
    """
    name = name or _stack_name(Path(template.file))
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
