"""Secrets at rest: AES-256-GCM under the master key.

A sealed value is bound to its context (`user_pool_client/<id>/secret`): moved to another row it does not open.
"""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from scopegate.base import clock


class Sealer:
    """Seals and opens with one master key of 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        self._aead = AESGCM(master_key)

    def seal(self, plain: bytes, context: str) -> bytes:
        nonce = clock.token_bytes(12)
        return nonce + self._aead.encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises cryptography's InvalidTag when the key, the context or the bytes are not those that were sealed."""
        return self._aead.decrypt(sealed[:12], sealed[12:], context.encode())
