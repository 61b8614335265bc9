"""What a million users cost: sign-in, ListUsers and refresh beside the same with a thousand.

    python bench/users.py [--users 1000000] [--rounds 40] [--database postgresql://…]

Starts servers of its own with users put straight into their databases, on SQLite unless --database names another (which
must be empty). Latencies are medians of calls one after another. Compare ratios, not figures of different hours.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from served import Served


def median_ms(work: Callable[[int], object], rounds: int) -> float:
    taken = []
    for number in range(rounds):
        started = time.perf_counter()
        work(number)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1_000


def measure(served: Served, count: int, rounds: int) -> dict[str, float]:
    """Latencies in milliseconds, by what was done; users far apart, so that no page of the database is warm by luck."""
    step = max(1, count // rounds)
    tokens = [served.sign_in(number * step) for number in range(min(rounds, 10))]
    pages = served.idp.list_users(UserPoolId=served.pool_id, Limit=60)
    assert len(pages["Users"]) == 60
    middle = f"u{count // 2:07}"
    return {
        "sign-in by password": median_ms(lambda number: served.sign_in(number * step % count), rounds),
        "refresh": median_ms(lambda number: served.refresh(tokens[number % len(tokens)]), rounds),
        "ListUsers, first page": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Limit=60), rounds
        ),
        "ListUsers, next page": median_ms(
            lambda _: served.idp.list_users(
                UserPoolId=served.pool_id, Limit=60, PaginationToken=pages["PaginationToken"]
            ),
            rounds,
        ),
        "ListUsers, email = …": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Filter=f'email = "{middle}@example.com"'), rounds
        ),
        "ListUsers, email ^= …": median_ms(
            lambda _: served.idp.list_users(UserPoolId=served.pool_id, Filter=f'email ^= "{middle}"'), rounds
        ),
        "AdminGetUser": median_ms(
            lambda number: served.idp.admin_get_user(
                UserPoolId=served.pool_id, Username=f"u{number * step % count:07}"
            ),
            rounds,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database", help="a PostgreSQL URL; its database must be empty")
    options = parser.parse_args()
    figures: dict[int, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in dict.fromkeys((1_000, options.users)):
            place = Path(folder) / ("data" if options.database else str(count))  # a database has one master key
            place.mkdir(exist_ok=True)
            served = Served(place, options.database)
            try:
                started = time.perf_counter()
                served.fill(count)
                print(f"{count:,} users put in, {time.perf_counter() - started:.0f} s", flush=True)
                figures[count] = measure(served, count, options.rounds)
            finally:
                served.close()
    few, many = figures[1_000], figures[options.users]
    print(f"{'':24}{'1,000':>12}{options.users:>14,}   ratio")
    for name, value in few.items():
        print(f"{name:24}{value:9.2f} ms{many[name]:11.2f} ms   {many[name] / value:.2f}")


if __name__ == "__main__":
    main()
