"""Where a function's package lies unpacked on this machine; fetched from the store when it is not here yet."""

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.functions import package, queries
from scopegate.store.port import Store, Tx

_YOUNG_S: Final = 3600.0  # far beyond any unpacking, and any invocation


class CodeDirectory:
    """Packages by digest, below one directory; any node has any function's code because it lies in the store."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root
        self._under_way: dict[str, asyncio.Task[Path]] = {}

    async def ensure(self, sha256: str) -> Path:
        """The directory of a package. Raises AwsError when the store does not have it any more."""
        return await self._once(sha256, lambda: self._fetch(sha256))

    async def ensure_layers(self, digests: Sequence[str]) -> Path:
        """The directory of several packages over one another, the later over the earlier. Raises as `ensure`."""
        name = _merged_name(digests)
        return await self._once(name, lambda: self._merge(name, digests))

    async def _once(self, name: str, make: Callable[[], Coroutine[Any, Any, Path]]) -> Path:
        directory = self._root / name
        if directory.is_dir():
            return directory
        task = self._under_way.get(name)
        if task is None:
            task = self._under_way[name] = asyncio.ensure_future(make())
            task.add_done_callback(lambda _: self._under_way.pop(name, None))
        return await asyncio.shield(task)

    async def _merge(self, name: str, digests: Sequence[str]) -> Path:
        layers = [await self.ensure(digest) for digest in digests]
        directory = self._root / name
        await asyncio.to_thread(package.merge, layers, directory)
        return directory

    async def sweep(self) -> None:
        """Remove what lies here for an hour and no function has: packages of old, unpacking that was cut short."""

        def known(tx: Tx) -> set[str]:
            return queries.all_code(tx) | {_merged_name(digests) for digests in queries.all_layers(tx)}

        await asyncio.to_thread(self._remove_unknown, await self._store.read(known))

    def _remove_unknown(self, known: set[str]) -> None:
        if not self._root.is_dir():
            return
        for directory in self._root.iterdir():
            # What is younger may be in another process's hands at this moment.
            if directory.name not in known and clock.real_now() - directory.stat().st_mtime > _YOUNG_S:
                package.remove(directory)

    async def _fetch(self, sha256: str) -> Path:
        packed = await self._store.read(lambda tx: queries.find_code(tx, sha256))
        if packed is None:
            raise AwsError("ResourceNotFoundException", "The code of the function is gone", status=404)
        unpacked = await asyncio.to_thread(package.unpack, packed, self._root)
        return unpacked.directory


def _merged_name(digests: Sequence[str]) -> str:
    return f"layers-{hashlib.sha256(' '.join(digests).encode()).hexdigest()}"
