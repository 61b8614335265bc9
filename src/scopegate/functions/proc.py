"""What /proc tells about the processes of an environment. Everything may be gone by the time it is read."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_PAGE_KB: Final = os.sysconf("SC_PAGE_SIZE") // 1024
_ESTABLISHED: Final = "01"
_MOST_WEIGHED: Final = 32


def parse_statm_kb(text: bytes) -> int:
    """Resident size from the text of a `statm` file."""
    return int(text.split()[1]) * _PAGE_KB


def resident_kb(process: str) -> int:
    """Resident size of a process, given its directory; 0 when it is gone."""
    try:
        with open(f"{process}/statm", "rb", buffering=0) as file:
            return parse_statm_kb(file.read(64))
    except (OSError, IndexError):
        return 0


def proportional_kb(process: str) -> int:
    """Memory of a process, each shared page divided by the number of its users."""
    try:
        for line in Path(process, "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0


def proportional_kb_of_all(processes: Sequence[str], enough_kb: int) -> int:
    """Memory of several processes, the largest first, shared pages counted once; about that, where they are many.

    It stops when it has seen enough. It blocks: the kernel walks through all pages of each, and waits for its forks.
    """
    total = least = 0
    for process in processes[:_MOST_WEIGHED]:
        least = proportional_kb(process)
        total += least
        if total > enough_kb:
            break
    return total + least * max(len(processes) - _MOST_WEIGHED, 0)


def descendants(root: int) -> Iterator[str]:
    """Directories of all processes below one process."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                    fields = file.read(1024).rpartition(b")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [root]
    while found:
        # Each list is taken out: numbers that were used again while this was read cannot lead round and round.
        for pid in children.pop(found.pop(), ()):
            found.append(pid)
            yield f"/proc/{pid}"


def find_socket(port: int, peer_port: int) -> tuple[int, int] | None:
    """(user, inode) of the established loopback connection from `port` to `peer_port`."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            local, remote = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
            if (local, remote, fields[3]) == (port, peer_port, _ESTABLISHED):
                return int(fields[7]), int(fields[9])
    return None


def count_tasks() -> int:
    """Processes and threads of the whole machine."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
