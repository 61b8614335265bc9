"""How soon what is saved under `scopegate up --watch` answers calls, and whether any call is lost meanwhile.

`python bench/reload.py [SAVES]`: the orders example in a folder of its own; one client calls without a pause.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCOPEGATE = Path(sys.executable).with_name("scopegate")


def save(path: Path, text: str) -> float:
    """As most editors do: another file takes the name. The moment."""
    fresh = path.with_name(f".#{path.name}")
    fresh.write_text(text)
    fresh.replace(path)
    return time.monotonic()


def measure(url: str, token: str, source: Path, saves: int) -> list[float]:
    """Seconds from each save to the first answer of the new code. Any call that fails ends the measurement."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    text = source.read_text()
    seconds = []
    for number in range(saves):
        saved = save(source, text.replace("coffee", f"tea {number}"))
        answer = ""
        while f"tea {number}" not in answer:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = response.read().decode()
        seconds.append(time.monotonic() - saved)
        time.sleep(0.3)
    return seconds


def main() -> None:
    saves = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "orders"
        shutil.copytree(ROOT / "examples/orders", folder)
        command = [SCOPEGATE, "up", folder / "template.yaml", "--watch", "--ephemeral", "--port", "0"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
            try:
                assert server.stdout is not None
                url = ""
                for line in server.stdout:
                    if "/_aws/execute-api/" in line:
                        url = line.strip()
                    if line.startswith("ready"):
                        break
                where = url.partition("/_aws")[0]
                ask = [SCOPEGATE, "token", "--client", "orders-job", "--endpoint", where]
                token = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
                seconds = measure(f"{url}/orders", token, folder / "src/app.py", saves)
            finally:
                server.terminate()
    load = os.getloadavg()[0]
    print(f"{saves} saves: median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s; load {load:.1f}")


if __name__ == "__main__":
    main()
