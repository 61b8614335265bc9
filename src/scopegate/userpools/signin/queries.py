"""The SQL of sign-ins: challenges, authorization codes, families of tokens, revocations, browser sessions.

Secrets are never stored, only their digests. Each taking away is one statement whose row count decides, so that of two
that race one wins, on whichever process.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, bindparam, delete, insert, select, update

from scopegate.base import clock
from scopegate.store.port import Tx
from scopegate.store.sealing import Sealer
from scopegate.store.tables import (
    authorization_codes,
    login_sessions,
    revocations,
    sign_in_challenges,
    sign_in_guesses,
    token_families,
    user_codes,
    users,
)
from scopegate.userpools.model import EVER
from scopegate.userpools.signin.model import AuthorizationCode, Challenge, Family

# Challenges


def add_challenge(tx: Tx, seal: Sealer, digest: bytes, challenge: Challenge) -> None:
    """digest: of the session that its answer must bring."""
    plain = {"kind": challenge.kind, "name_key": challenge.name_key, "state": challenge.state}
    row = {
        "digest": digest,
        "pool_id": challenge.pool_id,
        "client_id": challenge.client_id,
        "expires_at": challenge.expires_at,
        "tries": challenge.tries,
        "state": seal.seal(json.dumps(plain).encode(), _challenge_context(digest)),
    }
    tx.sql.execute(insert(sign_in_challenges), row)


def find_challenge(tx: Tx, seal: Sealer, digest: bytes) -> Challenge | None:
    row = tx.sql.execute(select(sign_in_challenges).where(sign_in_challenges.c.digest == digest)).mappings().first()
    if row is None:
        return None
    plain = json.loads(seal.open(row["state"], _challenge_context(digest)))
    return Challenge(
        pool_id=row["pool_id"],
        client_id=row["client_id"],
        name_key=plain["name_key"],
        expires_at=row["expires_at"],
        kind=plain["kind"],
        state=plain["state"],
        tries=row["tries"],
    )


def take_challenge(tx: Tx, digest: bytes) -> bool:
    """Use it up; False when somebody else did."""
    return tx.sql.execute(delete(sign_in_challenges).where(sign_in_challenges.c.digest == digest)).rowcount > 0


def count_try(tx: Tx, digest: bytes, most: int) -> bool:
    """One answer more, right or wrong; False when there were `most`, or the challenge is used up."""
    table = sign_in_challenges
    done = tx.sql.execute(
        update(table).where(table.c.digest == digest, table.c.tries < most).values(tries=table.c.tries + 1)
    )
    return done.rowcount > 0


def end_tried_challenge(tx: Tx, digest: bytes, most: int) -> None:
    """Use it up when it was answered so often."""
    table = sign_in_challenges
    tx.sql.execute(delete(table).where(table.c.digest == digest, table.c.tries >= most))


def last_guess_ends(tx: Tx, pool_id: str, guesser: str) -> float:
    """When the last wrong password or code from there counts no more; 0.0 when there is none."""
    table = sign_in_guesses.c
    query = select(table.expires_at).where(table.pool_id == pool_id, table.guesser == guesser)
    return float(tx.sql.execute(query).scalar() or 0.0)


def put_guess(tx: Tx, pool_id: str, guesser: str, expires_at: float) -> None:
    table = sign_in_guesses
    keys = and_(table.c.pool_id == pool_id, table.c.guesser == guesser)
    if tx.sql.execute(update(table).where(keys).values(expires_at=expires_at)).rowcount == 0:
        tx.sql.execute(insert(table), {"pool_id": pool_id, "guesser": guesser, "expires_at": expires_at})


def write_nothing(tx: Tx, seal: Sealer, pool_id: str) -> None:
    """Something that the database has to make durable, and nothing that stays: what is done for somebody costs a write,
    and nobody is to be told by the time."""
    digest = clock.token_bytes(32)
    add_challenge(tx, seal, digest, Challenge(pool_id, "", "", 0.0, ""))
    take_challenge(tx, digest)


def _challenge_context(digest: bytes) -> str:
    return f"challenge/{digest.hex()}"


# Authorization codes


def add_code(tx: Tx, digest: bytes, code: AuthorizationCode) -> None:
    document = {
        "redirect_uri": code.redirect_uri,
        "code_challenge": code.code_challenge,
        "family": _plain_family(code.family),
    }
    row = {
        "digest": digest,
        "pool_id": code.pool_id,
        "name_key": code.name_key,
        "client_id": code.client_id,
        "expires_at": code.expires_at,
        "redeemed": False,
        "document": document,
    }
    tx.sql.execute(insert(authorization_codes), row)


def find_code(tx: Tx, digest: bytes) -> AuthorizationCode | None:
    table = authorization_codes
    row = tx.sql.execute(select(table).where(table.c.digest == digest)).mappings().first()
    if row is None:
        return None
    document = row["document"]
    return AuthorizationCode(
        pool_id=row["pool_id"],
        name_key=row["name_key"],
        client_id=row["client_id"],
        expires_at=row["expires_at"],
        redirect_uri=document["redirect_uri"],
        code_challenge=document["code_challenge"],
        family=_family_of(document["family"]),
        redeemed=row["redeemed"],
    )


def redeem_code(tx: Tx, digest: bytes) -> bool:
    """Use it up; False when somebody else did. It stays till it expires, so that a second use is seen as one."""
    table = authorization_codes
    done = tx.sql.execute(
        update(table).where(table.c.digest == digest, table.c.redeemed.is_(False)).values(redeemed=True)
    )
    return done.rowcount > 0


def end_codes_of(tx: Tx, pool_id: str, name_key: str) -> None:
    """Those of a user who signs out: none gives tokens any more."""
    table = authorization_codes
    tx.sql.execute(update(table).where(table.c.pool_id == pool_id, table.c.name_key == name_key).values(redeemed=True))


# Families of tokens

_FAMILY: Final = select(token_families).where(token_families.c.origin_jti == bindparam("jti"))
_COLUMNS: Final = (
    "origin_jti",
    "pool_id",
    "name_key",
    "client_id",
    "created_at",
    "expires_at",
    "revoked",
    "token",
    "previous",
    "rotated_at",
)
_IN_DOCUMENT: Final = tuple(each.name for each in fields(Family) if each.name not in _COLUMNS)
_ADD_FAMILY: Final = insert(token_families)


def add_family(tx: Tx, family: Family) -> None:
    row = {name: getattr(family, name) for name in _COLUMNS}
    tx.sql.execute(_ADD_FAMILY, row | {"document": _document_of(family)})


def find_family(tx: Tx, origin_jti: str) -> Family | None:
    row = tx.sql.execute(_FAMILY, {"jti": origin_jti}).mappings().first()
    return None if row is None else _family_of_row(row)


def rotate_family(tx: Tx, family: Family, token: bytes, successor: str, now: float) -> bool:
    """Put a new refresh token in the place of `family.token`; False when somebody else did.

    successor: the new token, sealed, for whoever asks once more with the old one.
    """
    table = token_families
    document = _document_of(replace(family, successor=successor))
    done = tx.sql.execute(
        update(table)
        .where(table.c.origin_jti == family.origin_jti, table.c.token == family.token, table.c.revoked.is_(False))
        .values(token=token, previous=family.token, rotated_at=now, document=document)
    )
    return done.rowcount > 0


def revoke_family(tx: Tx, family: Family, now: float) -> None:
    """Its refresh token works no more, nor do its access and ID tokens, where revocation is looked at."""
    tx.sql.execute(update(token_families).where(token_families.c.origin_jti == family.origin_jti).values(revoked=True))
    add_revocation(tx, family.pool_id, family.origin_jti, now)


def families_of_user(tx: Tx, pool_id: str, name_key: str, *, since: float = 0.0) -> Sequence[Family]:
    """Those that are not revoked. since: of sign-ins from then on."""
    query = select(token_families).where(*_standing(pool_id, name_key), token_families.c.created_at >= since)
    return [_family_of_row(row) for row in tx.sql.execute(query).mappings()]


def end_families_of(tx: Tx, pool_id: str, name_key: str) -> None:
    """No refresh token of a user works any more; what they gave is taken back by the user's own revocation."""
    tx.sql.execute(update(token_families).where(*_standing(pool_id, name_key)).values(revoked=True))


def _standing(pool_id: str, name_key: str) -> tuple[ColumnElement[bool], ...]:
    table = token_families.c
    return (table.pool_id == pool_id, table.name_key == name_key, table.revoked.is_(False))


def delete_sign_ins_of_client(tx: Tx, client_id: str) -> None:
    """Those that wait, and those that gave tokens."""
    tx.sql.execute(delete(token_families).where(token_families.c.client_id == client_id))
    tx.sql.execute(delete(sign_in_challenges).where(sign_in_challenges.c.client_id == client_id))


def _document_of(family: Family) -> dict[str, Any]:
    return {name: getattr(family, name) for name in _IN_DOCUMENT}


def _plain_family(family: Family) -> dict[str, Any]:
    return {name: value for name, value in asdict(family).items() if name not in ("token", "previous", "rotated_at")}


def _family_of(plain: Mapping[str, Any]) -> Family:
    return Family(**{**plain, "scopes": tuple(plain["scopes"]), "amr": tuple(plain["amr"])})


def _family_of_row(row: Mapping[Any, Any]) -> Family:
    columns = {name: row[name] for name in _COLUMNS}
    return _family_of(columns | row["document"])


# Revocations: what users' APIs and userInfo refuse although it is signed

_LONGEST_LIFETIME_S: Final = 86_400  # of an access or ID token


def add_revocation(tx: Tx, pool_id: str, subject: str, now: float, *, until: float = EVER) -> None:
    """subject: an `origin_jti` or a `sub`. until: of tokens issued till then. It is kept till the last of them is dead;
    what counts for ever belongs to a user who gets no tokens."""
    expires_at = now + _LONGEST_LIFETIME_S
    keys = and_(revocations.c.pool_id == pool_id, revocations.c.subject == subject)
    values = {"until": until, "expires_at": expires_at}
    if tx.sql.execute(update(revocations).where(keys).values(**values)).rowcount == 0:
        tx.sql.execute(insert(revocations), {"pool_id": pool_id, "subject": subject, **values})
    tx.changed("revocation", f"{pool_id}/{subject}")


def delete_revocation(tx: Tx, pool_id: str, subject: str) -> None:
    tx.sql.execute(delete(revocations).where(revocations.c.pool_id == pool_id, revocations.c.subject == subject))
    tx.changed("revocation", f"{pool_id}/{subject}")


def find_revocation(tx: Tx, name: str) -> float | None:
    """name: `pool id/subject`. For compilation."""
    pool_id, _, subject = name.partition("/")
    query = select(revocations.c.until).where(revocations.c.pool_id == pool_id, revocations.c.subject == subject)
    row = tx.sql.execute(query).first()
    return None if row is None else float(row[0])


def all_revocations(tx: Tx, now: float) -> Iterator[tuple[str, float]]:
    """(`pool id/subject`, until). For compilation."""
    table = revocations.c
    query = select(table.pool_id, table.subject, table.until).where(table.expires_at > now)
    for pool_id, subject, until in tx.sql.execute(query):
        yield f"{pool_id}/{subject}", float(until)


# Browser sessions


def add_login_session(
    tx: Tx, digest: bytes, pool_id: str, name_key: str, *, now: float, expires_at: float, document: dict[str, Any]
) -> None:
    """document: what the session remembers of the sign-in: `auth_time`, `amr`."""
    row = {
        "digest": digest,
        "pool_id": pool_id,
        "name_key": name_key,
        "created_at": now,
        "expires_at": expires_at,
        "document": document,
    }
    tx.sql.execute(insert(login_sessions), row)


def find_login_session(tx: Tx, pool_id: str, digest: bytes, now: float) -> tuple[str, dict[str, Any]] | None:
    """(name key, document) of a session of this pool that has not expired, whose user is enabled."""
    table = login_sessions.c
    query = (
        select(table.name_key, table.document)
        .join(users, and_(users.c.pool_id == table.pool_id, users.c.name_key == table.name_key))
        .where(table.digest == digest, table.pool_id == pool_id, table.expires_at > now, users.c.enabled.is_(True))
    )
    row = tx.sql.execute(query).first()
    return None if row is None else (row[0], row[1])


def delete_login_session(tx: Tx, digest: bytes) -> None:
    tx.sql.execute(delete(login_sessions).where(login_sessions.c.digest == digest))


def delete_login_sessions_of(tx: Tx, pool_id: str, name_key: str) -> None:
    table = login_sessions.c
    tx.sql.execute(delete(login_sessions).where(table.pool_id == pool_id, table.name_key == name_key))


# What time has ended

# A family outlasts its refresh token by the tokens that this gave last: they are taken back by it.
_KEPT_S: Final[Mapping[Table, int]] = {
    sign_in_challenges: 0,
    sign_in_guesses: 0,
    authorization_codes: 0,
    login_sessions: 0,
    token_families: _LONGEST_LIFETIME_S,
    user_codes: 0,
}
"""How long after its end a row is kept."""


def sweep(tx: Tx, now: float) -> int:
    """Delete what has expired; how many rows."""
    count = 0
    for table, kept_s in _KEPT_S.items():
        count += tx.sql.execute(delete(table).where(table.c.expires_at < now - kept_s)).rowcount
    table = revocations
    for pool_id, subject in tx.sql.execute(
        select(table.c.pool_id, table.c.subject).where(table.c.expires_at < now)
    ).all():
        delete_revocation(tx, pool_id, subject)
        count += 1
    return count
