"""What inline code may import beside itself, as in Lambda: the modules that send a custom resource's answer.

They run inside functions, never here. Source: reference, lambda page, "`Code.ZipFile` inline".
"""

import re
from importlib import resources
from typing import Final

_ASKED_FOR: Final = (
    ("cfnresponse.py", "cfnresponse.py", re.compile(r"^\s*(?:import|from)\s+cfnresponse\b", re.MULTILINE)),
    (
        "cfn-response.js",
        "node_modules/cfn-response/index.js",
        re.compile(r"""(?:require\(\s*|from\s+|import\s+)(["'])cfn-response\1"""),
    ),
)


def modules_of(source: str) -> dict[str, str]:
    """The modules that a source asks for: path in the package → text."""
    folder = resources.files(__name__)
    return {path: (folder / name).read_text() for name, path, wanted in _ASKED_FOR if wanted.search(source)}
