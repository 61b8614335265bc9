"""Inline code of functions → zips that are the same bytes for the same text."""

import io
import zipfile
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def inline_code(runtime: str, source: str) -> bytes:
    """`Code.ZipFile` text as a zip of one file: `index.py` or `index.js` (`.mjs` for ES modules)."""
    if runtime.startswith("python"):
        name = "index.py"
    else:
        lines = (line.lstrip() for line in source.splitlines())
        is_module = any(line.startswith(("import ", "export ")) for line in lines)
        name = "index.mjs" if is_module else "index.js"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, _EPOCH)
        entry.create_system = 3  # Unix: the mode bits count
        entry.external_attr = 0o644 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, source)
    return buffer.getvalue()
