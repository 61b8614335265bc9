"""How many invocations a second one warm Python function does: the runner alone, no gateway before it.

    python bench/functions.py [--seconds 5] [--concurrency 8] [--isolation auto]

The function's process and the runner have a core each; compare CPU time per invocation, not rates of different hours.
The function's own figure is right where one environment serves all.
"""

import argparse
import asyncio
import resource
import tempfile
import time
from pathlib import Path

import uvloop

from scopegate.functions.model import Definition, Work
from scopegate.functions.pool import Runner, RunnerOptions

HANDLER = """
import json, time
def handler(event, context):
    if "cpu" in event:
        return time.process_time()
    body = json.dumps({"path": event["rawPath"]})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
"""
EVENT = b'{"version":"2.0","routeKey":"GET /orders","rawPath":"/orders","rawQueryString":"","headers":{"accept":"*/*"}}'
ARN = "arn:aws:lambda:us-east-1:000000000000:function:bench"


def definition(code_dir: Path) -> Definition:
    return Definition(
        revision="bench",
        function_arn=ARN,
        function_name="bench",
        version="$LATEST",
        account="000000000000",
        region="us-east-1",
        runtime="python3.11",
        handler="index.handler",
        code_sha256="",
        code_dir=str(code_dir),
        timeout_s=3,
        memory_mb=128,
        environment={},
        role_arn="arn:aws:iam::000000000000:role/bench",
        log_group="/aws/lambda/bench",
        access_key_id="ASIA",
        secret_access_key="",
        session_token="",
        session_expires_at=int(time.time()) + 3600,
        endpoint_url="http://localhost:4566",
    )


async def measure(options: argparse.Namespace, folder: Path) -> None:
    code = folder / "code"
    code.mkdir(mode=0o755)
    (code / "index.py").write_text(HANDLER)
    runner = Runner(RunnerOptions(folder, isolation=options.isolation))
    function = definition(code)
    numbers = iter(range(1, 1_000_000_000))

    def work(event: bytes = EVENT) -> Work:
        return Work(f"00000000-0000-4000-8000-{next(numbers):012d}", ARN, event)

    async def function_cpu_s() -> float:
        return float((await runner.run(function, work(b'{"cpu":1}'))).payload)

    started = time.perf_counter()
    await runner.run(function, work())
    print(f"cold start {(time.perf_counter() - started) * 1000:.0f} ms, isolation {runner.isolation}")
    done = 0
    end = time.perf_counter() + options.seconds

    async def call() -> None:
        nonlocal done
        while time.perf_counter() < end:
            outcome = await runner.run(function, work())
            assert outcome.function_error is None
            done += 1

    function_before = await function_cpu_s()
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(call() for _ in range(options.concurrency)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    function_s = await function_cpu_s() - function_before
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{done / options.seconds:,.0f} invocations/s")
    print(f"{1e6 * cpu_s / done:.0f} µs CPU each in the runner, {1e6 * function_s / done:.0f} µs in its process")
    print("environments (all, busy):", *runner.environments().values())
    await runner.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--isolation", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        uvloop.run(measure(options, Path(folder)))


if __name__ == "__main__":
    main()
