"""Where a function's package lies unpacked on this machine; fetched from the store when it is not here yet."""

import asyncio
from pathlib import Path
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.functions import package, queries
from scopegate.store.port import Store

_YOUNG_S: Final = 3600.0  # far beyond any unpacking, and any invocation


class CodeDirectory:
    """Packages by digest, below one directory; any node has any function's code because it lies in the store."""

    def __init__(self, store: Store, root: Path) -> None:
        self._store = store
        self._root = root
        self._under_way: dict[str, asyncio.Task[Path]] = {}

    async def ensure(self, sha256: str) -> Path:
        """The directory of a package. Raises AwsError when the store does not have it any more."""
        directory = self._root / sha256
        if directory.is_dir():
            return directory
        task = self._under_way.get(sha256)
        if task is None:
            task = self._under_way[sha256] = asyncio.ensure_future(self._fetch(sha256))
            task.add_done_callback(lambda _: self._under_way.pop(sha256, None))
        return await asyncio.shield(task)

    async def sweep(self) -> None:
        """Remove what lies here for an hour and is not in the store: packages of old, unpacking that was cut short."""
        known = await self._store.read(queries.all_code)
        await asyncio.to_thread(self._remove_unknown, known)

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
