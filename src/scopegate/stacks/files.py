"""The files that a template names beside itself: templates of nested stacks, snippets of `AWS::Include`, API documents.

The command line reads them where they are and sends them along; the server knows what was sent, and no disk. Both call
a file by the same name: its path as the user would write it, worked out from the file that names it.
Source: `aws cloudformation package` and `sam package`, which upload the same files.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Final, Protocol

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Files(Protocol):
    def text(self, name: str) -> str:
        """What is in a file. Raises FileNotFoundError, or another OSError or UnicodeDecodeError."""
        ...


class SentFiles:
    """Files by their names, as a client sent them."""

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        self.texts = dict(texts or {})

    def text(self, name: str) -> str:
        try:
            return self.texts[name]
        except KeyError:
            raise FileNotFoundError(f"{name} was not sent along") from None


def is_local(location: object) -> bool:
    """Whether a location names a file beside the template, and nothing on the web or in S3."""
    return isinstance(location, str) and bool(location) and _URL.match(location) is None


def name_beside(location: str, file: str) -> str:
    """The name of the file that `file` calls `location`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), location))
