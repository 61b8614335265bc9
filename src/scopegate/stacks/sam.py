"""SAM → CloudFormation by AWS's own translator, in a short-lived child: its import is heavy and must not stay.

As a program (`python -m scopegate.stacks.sam`) it reads {"template", "parameters", "region"} as JSON from standard
input and writes {"template"} or {"errors": [{"logical_id", "message"}]}.
"""

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from scopegate.stacks.read import Path, Template, TemplateError

_NAMED: Final = re.compile(r"property (\w+) not defined|Event with id \[(\w+)\]|'(\w+)'")


async def translate(template: Template, parameters: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The CloudFormation document of a SAM template.

    parameters: values of template parameters, defaults included.
    Raises TemplateError with the line of the first resource that the translator refuses, and its words.
    """
    payload = json.dumps({"template": template.document, "parameters": dict(parameters), "region": region})
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate(payload.encode())
    if child.returncode != 0:
        raise TemplateError(f"The SAM translator failed: {err.decode(errors='replace').strip().splitlines()[-1:]}")
    answer = json.loads(out)
    if errors := answer.get("errors"):
        first = errors[0]
        path = _place(template, first)
        more = "".join(f"\n  {error['logical_id']}: {error['message']}" for error in errors[1:])
        raise template.error(f"SAM refuses {first['logical_id']}: {first['message']}{more}", *path)
    translated: dict[str, Any] = answer["template"]
    return translated


def _place(template: Template, error: Mapping[str, str]) -> Path:
    """Where an error is: what the translator names within its resource, else the resource, else the section."""
    if not error["logical_id"]:
        return ("Globals",) if "Globals" in error["message"] else ("Resources",)
    resource = ("Resources", error["logical_id"])
    named = _NAMED.search(error["message"])
    return template.find_key(named[named.lastindex or 0], *resource) if named else resource


def _main() -> None:
    # Imported here because only the child may hold them in memory.
    import boto3  # noqa: PLC0415
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    request = json.load(sys.stdin)

    session = boto3.session.Session(region_name=request["region"])
    translator = Translator({}, Parser(), boto_session=session)
    answer: dict[str, Any]
    try:
        template = translator.translate(sam_template=request["template"], parameter_values=request["parameters"])
        answer = {"template": template}
    except InvalidDocumentException as error:
        causes = sorted(error.causes, key=str) or [error]
        answer = {
            "errors": [
                {
                    "logical_id": getattr(cause, "_logical_id", "") or "",
                    "message": getattr(cause, "message", str(cause)),
                }
                for cause in causes
            ]
        }
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    _main()
