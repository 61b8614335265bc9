"""How fast the listener alone is: one process answers hello world, wrk asks.

    python bench/listener.py [--seconds 5] [--connections 64]   # needs wrk

Requests per second depend on who else uses the machine; CPU time per request hardly does: compare that.
"""

import argparse
import asyncio
import multiprocessing
import re
import resource
import subprocess
from multiprocessing.connection import Connection

import uvloop

from scopegate.http.listener import Listener
from scopegate.http.message import Request, Response


class Hello:
    def admit(self, request: Request) -> int:
        return 1024

    def answer(self, request: Request) -> Response:
        return Response(200, [(b"Content-Type", b"text/plain")], b"hello world")

    def refuse(self, request: Request | None, status: int, reason: str) -> Response:
        return Response(status)


async def serve(pipe: Connection) -> None:
    listener = Listener(Hello())
    pipe.send(await listener.start_tcp("127.0.0.1", 0))
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    await listener.drain(1)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    pipe.send(usage.ru_utime + usage.ru_stime)


def run_server(pipe: Connection) -> None:
    uvloop.run(serve(pipe))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    pipe, other = multiprocessing.Pipe()
    server = multiprocessing.Process(target=run_server, args=(other,))
    server.start()
    url = f"http://127.0.0.1:{pipe.recv()}/"
    load = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", url]
    out = subprocess.run(load, check=True, capture_output=True, text=True).stdout
    pipe.send("stop")
    cpu_s = pipe.recv()
    server.join()
    found = re.search(r"(\d+) requests in ([\d.]+)s", out)
    if found is None:
        raise SystemExit(out)
    requests, seconds = int(found[1]), float(found[2])
    print(out)
    print(f"{requests / seconds:,.0f} requests/s, {1e6 * cpu_s / requests:.1f} µs of CPU each")


if __name__ == "__main__":
    main()
