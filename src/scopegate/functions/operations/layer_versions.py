"""Layers as functions have them: which versions there are, who may use them, and attaching them to a configuration.

Source: reference, Lambda, "Code packages" and "Create and update".
"""

import re
from dataclasses import dataclass
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.operations.lookup import invalid
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.store.port import Tx

MOST_LAYERS: Final = 5
_ARN: Final = re.compile(
    r"(?P<layer>arn:[^:]+:lambda:(?P<region>[^:]+):(?P<account>\d{12}):layer:(?P<name>[^:]+)):(?P<version>\d+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class LayerRef:
    """A version of a layer."""

    account: str
    region: str
    name: str
    version: int

    @property
    def layer_arn(self) -> str:
        return f"arn:{names.partition_of(self.region)}:lambda:{self.region}:{self.account}:layer:{self.name}"

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.version}"


def parse_layer_arn(text: str) -> LayerRef:
    """A LayerVersionArn that the model allows. Raises AwsError for a layer of AWS's own."""
    match = _ARN.fullmatch(text)
    if match is None:
        raise invalid(f"Layer version {text} does not exist.")
    return LayerRef(match["account"], match["region"], match["name"], int(match["version"]))


def find(tx: Tx, ref: LayerRef) -> Document | None:
    return queries.find_layer(tx, ref.account, ref.region, ref.name, ref.version)


def may_use(call: Call, ref: LayerRef, document: Document) -> bool:
    """Whether an account may have a layer: its own, or one whose policy lets it in."""
    mine = (call.account, f"arn:aws:iam::{call.account}:root")
    return ref.account == call.account or any(
        statement["Principal"] == "*" or statement["Principal"].get("AWS") in mine
        for statement in document.get("Policy", {}).get("Statement", ())
        if "Condition" not in statement
    )


def attach(call: Call, tx: Tx, configuration: Document, arns: list[str]) -> Document:
    """A configuration with these layers and no others. Raises AwsError."""
    if len(arns) > MOST_LAYERS:
        raise invalid(f"Cannot reference more than {MOST_LAYERS} layers.")
    layers: list[Shape] = []
    seen: dict[str, str] = {}
    for text in arns:
        ref = parse_layer_arn(text)
        if ref.region != call.region:
            raise invalid(
                f"Layers are not in the same region as the function. Layers are expected to be in region {call.region}."
            )
        if ref.layer_arn in seen:
            raise invalid(
                "Two different versions of the same layer are not allowed to be referenced in the same function. "
                f"{seen[ref.layer_arn]} and {text} are versions of the same layer."
            )
        seen[ref.layer_arn] = text
        document = find(tx, ref)
        if document is None:
            document = _kept(configuration, ref)
        elif not may_use(call, ref, document):
            document = None
        if document is None:
            raise invalid(f"Layer version {text} does not exist.")
        layers.append({"Arn": ref.arn, **document["Content"]})
    attached = {name: value for name, value in configuration.items() if name != "Layers"}
    return check_size(attached | ({"Layers": layers} if layers else {}))


def check_size(configuration: Document) -> Document:
    """A configuration whose code and layers together are not too much. Raises AwsError."""
    most = limit("functions.unzipped_bytes")
    layers = configuration.get("Layers", ())
    if layers and configuration["UnzippedSize"] + sum(layer["UnzippedSize"] for layer in layers) > most:
        raise invalid(f"Layers consume more than the available size of {most} bytes")
    return configuration


def _kept(configuration: Document, ref: LayerRef) -> Document | None:
    """A layer that was deleted, where the function has it already."""
    for layer in configuration.get("Layers", ()):
        if layer["Arn"] == ref.arn:
            return {"Content": {name: layer[name] for name in ("CodeSha256", "CodeSize", "UnzippedSize")}}
    return None


def not_there() -> AwsError:
    return AwsError("ResourceNotFoundException", "The resource you requested does not exist.")
