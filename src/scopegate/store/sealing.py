"""Secrets at rest: AES-256-GCM under the master key, and the key itself.

A sealed value is bound to its context (`user_pool_client/<id>/secret`): moved to another row it does not open.
The key is 32 random bytes: a file `master.key` in the data directory (base64, mode 0600, made on first start) or the
setting `SCOPEGATE_MASTER_KEY`. The database keeps the key's id and a value sealed with it, so that a node with another
key refuses to start instead of writing what its neighbours cannot read.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select

from scopegate.base import clock
from scopegate.base.errors import SetupError
from scopegate.store.tables import meta

KEY_FILE: Final = "master.key"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12

_ID_NAME: Final = "master_key_id"
_CHECK_NAME: Final = "master_key_check"
_CHECK_PLAIN: Final = b"scopegate"


class CannotOpen(ValueError):
    """A sealed value that this key does not open in this context: another key, another row, or damaged."""


class Sealer:
    """Seals and opens with one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        self._aead = AESGCM(master_key)
        self._digest_key = hmac.digest(master_key, b"scopegate digests", "sha256")
        self.key_id = hashlib.sha256(b"scopegate master key id\0" + master_key).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"Sealer(key_id={self.key_id!r})"

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = clock.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context.encode())

    def digest(self, text: str, context: str) -> bytes:
        """32 bytes that stay the same for a text and that nobody without the master key can foretell."""
        return hmac.digest(self._digest_key, f"{context}\0{text}".encode("utf-8", "surrogatepass"), "sha256")

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises CannotOpen when the key, the context or the bytes are not those that were sealed."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise CannotOpen(f"{context} does not open with master key {self.key_id}") from error


def get_master_key(data_dir: Path, setting: str | None) -> bytes:
    """The key from the setting, else from the file. Raises SetupError."""
    if setting is not None:
        return _decode(setting, "settings: SCOPEGATE_MASTER_KEY")
    return read_key_file(data_dir / KEY_FILE)


def agree_on_master_key(connection: Connection, data_dir: Path, setting: str | None) -> bytes:
    """The key that seals this database: found, or made and noted when nothing is sealed yet.

    connection: inside a transaction that excludes other starting nodes. Raises SetupError.
    """
    noted = {row[0]: row[1] for row in connection.execute(select(meta.c.name, meta.c.value))}
    if _ID_NAME not in noted:
        key = _decode(setting, "settings: SCOPEGATE_MASTER_KEY") if setting else _read_or_make(data_dir / KEY_FILE)
        sealer = Sealer(key)
        check = base64.b64encode(sealer.seal(_CHECK_PLAIN, _CHECK_NAME)).decode()
        connection.execute(
            insert(meta), [{"name": _ID_NAME, "value": sealer.key_id}, {"name": _CHECK_NAME, "value": check}]
        )
        return key
    source = "SCOPEGATE_MASTER_KEY" if setting else str(data_dir / KEY_FILE)
    if not setting and not (data_dir / KEY_FILE).exists():
        raise SetupError(
            f"master key: this database is sealed with key {noted[_ID_NAME]} and {source} is missing; "
            "put that file back from a backup, or set SCOPEGATE_MASTER_KEY; see docs/settings.md#master-key"
        )
    key = get_master_key(data_dir, setting)
    sealer = Sealer(key)
    try:
        opened = sealer.open(base64.b64decode(noted.get(_CHECK_NAME, "")), _CHECK_NAME)
    except CannotOpen:
        opened = b""
    if sealer.key_id != noted[_ID_NAME] or opened != _CHECK_PLAIN:
        raise SetupError(
            f"master key: this database is sealed with key {noted[_ID_NAME]}, {source} is key {sealer.key_id}; "
            "every node needs the same key; see docs/settings.md#master-key"
        )
    return key


def read_key_file(path: Path) -> bytes:
    """Raises SetupError: missing, readable by others, or not a key."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(1024)
    except OSError as error:
        raise SetupError(f"master key: cannot read {path}: {error.strerror}") from error
    if mode & 0o077:
        raise SetupError(f"master key: {path} has mode {mode:04o}, others may read it; chmod 600 {path}")
    return _decode(content.decode("ascii", "replace").strip(), f"master key: {path}")


def make_key_file(path: Path) -> None:
    """Write a new key; leaves a file that is there already. Whole or not at all, and on disk when this returns."""
    draft = path.with_name(f".{path.name}.{clock.new_id(12)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(clock.token_bytes(_KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)  # fails when another start was first
        finally:
            draft.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except FileExistsError:
        return
    except OSError as error:
        raise SetupError(f"master key: cannot make {path}: {error.strerror}; choose another --data-dir") from error


def _read_or_make(path: Path) -> bytes:
    if not path.exists():
        make_key_file(path)
    return read_key_file(path)


def _decode(text: str, source: str) -> bytes:
    """The value is never repeated in the message."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise SetupError(f"{source} must be {_KEY_BYTES} bytes in base64 (make one: openssl rand -base64 32)")
    return key
