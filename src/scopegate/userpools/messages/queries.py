"""The SQL of what was sent: the outbox, and the codes that users were told.

A code is never stored, only its digest under the server's key: it is short, so a plain one could be guessed back.
"""

import hmac
import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, insert, select, update

from scopegate.base.limits import limit
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.tables import outbox, user_codes, user_pools
from scopegate.userpools.messages.model import Message, SentMessage

_KEPT: Final = limit("userpools.outbox")

# The outbox


def keep_message(tx: Tx, seal: Sealer, message: Message, now: float) -> None:
    """Put a message into the outbox; of each pool the newest are kept."""
    plain = json.dumps({"subject": message.subject, "body": message.body}).encode()
    row = {
        "pool_id": message.pool_id,
        "created_at": now,
        "username": message.username,
        "medium": message.medium,
        "destination": message.destination,
        "purpose": message.purpose,
        "message": seal.seal(plain, _message_context(message.pool_id)),
    }
    tx.sql.execute(insert(outbox), row)
    of_pool = outbox.c.pool_id == message.pool_id
    oldest = select(outbox.c.number).where(of_pool).order_by(outbox.c.number.desc()).limit(1).offset(_KEPT)
    tx.sql.execute(delete(outbox).where(of_pool, outbox.c.number <= oldest.scalar_subquery()))


def list_messages(
    tx: Tx, seal: Sealer, account: str, region: str, *, since: int = 0, username: str = "", size: int = 100
) -> Sequence[SentMessage]:
    """Messages of an account in a region, oldest first: the first after number `since`, or the newest when it is 0.

    username: the user name or the address, "" for everybody's.
    """
    query = (
        select(outbox)
        .join(user_pools, user_pools.c.pool_id == outbox.c.pool_id)
        .where(user_pools.c.account == account, user_pools.c.region == region, outbox.c.number > since)
        .order_by(outbox.c.number if since else outbox.c.number.desc())
        .limit(size)
    )
    if username:
        query = query.where((outbox.c.username == username) | (outbox.c.destination == username))
    found = [_message_of(row, seal) for row in tx.sql.execute(query).mappings()]
    return sorted(found, key=lambda each: each.number)


def _message_of(row: object, seal: Sealer) -> SentMessage:
    columns = dict(row)  # type: ignore[call-overload]
    plain = json.loads(seal.open(columns["message"], _message_context(columns["pool_id"])))
    message = Message(
        columns["pool_id"],
        columns["username"],
        columns["medium"],
        columns["destination"],
        columns["purpose"],
        plain["subject"],
        plain["body"],
    )
    return SentMessage(columns["number"], columns["created_at"], message)


def _message_context(pool_id: str) -> str:
    return f"outbox/{pool_id}"


# Codes


def put_code(
    tx: Tx,
    seal: Sealer,
    pool_id: str,
    name_key: str,
    purpose: str,
    code: str,
    *,
    now: float,
    expires_at: float,
    most: int,
    window_s: int,
) -> bool:
    """Put a user's new code in the place of the one before; False when too many were sent within the window.

    What was tried within the window stays counted, so that asking for new codes buys no more guesses.
    """
    keys = _keys(pool_id, name_key, purpose)
    table = user_codes.c
    before = tx.sql.execute(select(table.sent, table.tries, table.window_at).where(*keys)).first()
    sent, tries, window_at = (0, 0, now) if before is None or before[2] + window_s <= now else before
    if sent >= most:
        return False
    values = {
        "digest": _digest(seal, pool_id, name_key, purpose, code),
        "expires_at": expires_at,
        "tries": tries,
        "sent": sent + 1,
        "window_at": window_at,
    }
    if before is None:
        names = {"pool_id": pool_id, "name_key": name_key, "purpose": purpose}
        tx.sql.execute(insert(user_codes), names | values)
    else:
        tx.sql.execute(update(user_codes).where(*keys).values(**values))
    return True


RIGHT: Final = "right"
WRONG: Final = "wrong"
EXPIRED: Final = "expired"
EXHAUSTED: Final = "exhausted"


def try_code(
    tx: Tx, seal: Sealer, pool_id: str, name_key: str, purpose: str, code: str, *, now: float, most: int, window_s: int
) -> str:
    """Whether this is the user's code for a purpose: RIGHT, WRONG, EXPIRED (or none was sent), EXHAUSTED.

    The try is counted before the code is looked at, in the statement that allows it: however many are sent at once and
    to whichever node, no more than `most` of a window are compared. The caller commits it, whatever the answer.
    """
    keys = _keys(pool_id, name_key, purpose)
    table = user_codes.c
    tx.sql.execute(
        update(user_codes).where(*keys, table.window_at + window_s <= now).values(tries=0, sent=0, window_at=now)
    )
    counted = tx.sql.execute(update(user_codes).where(*keys, table.tries < most).values(tries=table.tries + 1))
    row = tx.sql.execute(select(table.digest, table.expires_at).where(*keys)).first()
    if row is None:
        return EXPIRED
    if counted.rowcount == 0:
        return EXHAUSTED
    if row.expires_at <= now:
        return EXPIRED
    right = hmac.compare_digest(row.digest, _digest(seal, pool_id, name_key, purpose, code))
    return RIGHT if right else WRONG


def take_code(tx: Tx, seal: Sealer, pool_id: str, name_key: str, purpose: str, code: str, now: float) -> bool:
    """Use a code up; False when it is not the user's, has expired, or somebody else did."""
    table = user_codes.c
    digest = _digest(seal, pool_id, name_key, purpose, code)
    keys = _keys(pool_id, name_key, purpose)
    done = tx.sql.execute(delete(user_codes).where(*keys, table.digest == digest, table.expires_at > now))
    return done.rowcount > 0


def end_code(tx: Tx, pool_id: str, name_key: str, purpose: str) -> None:
    """Let a code be worth nothing; what was sent and tried stays counted."""
    tx.sql.execute(update(user_codes).where(*_keys(pool_id, name_key, purpose)).values(digest=b"", expires_at=0.0))


def _keys(pool_id: str, name_key: str, purpose: str) -> tuple[ColumnElement[bool], ...]:
    table = user_codes.c
    return (table.pool_id == pool_id, table.name_key == name_key, table.purpose == purpose)


def _digest(seal: Sealer, pool_id: str, name_key: str, purpose: str, code: str) -> bytes:
    return seal.digest(code, f"user_code/{pool_id}/{purpose}/{name_key}")
