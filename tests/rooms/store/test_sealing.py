"""Secrets at rest, and the master key."""

import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings
from scopegate.store import open_sealer
from scopegate.store.open import prepare
from scopegate.store.sealing import CannotOpen, Sealer
from scopegate.store.tables import access_keys
from tests.contracts.store_driver import opened

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()


@given(plain=st.binary(max_size=4096), context=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens(plain: bytes, context: str) -> None:
    sealer = Sealer(bytes(32))

    assert sealer.open(sealer.seal(plain, context), context) == plain


@given(plain=st.binary(min_size=8, max_size=64))
def test_a_sealed_value_shows_nothing_and_never_repeats(plain: bytes) -> None:
    sealer = Sealer(bytes(32))

    first, second = sealer.seal(plain, "c"), sealer.seal(plain, "c")

    assert first != second
    assert plain not in first


@pytest.mark.parametrize(
    ("key", "context", "damage"),
    [(bytes(32), "b", 0), (bytes(31) + b"\1", "a", 0), (bytes(32), "a", 1)],
    ids=["another row", "another key", "damaged"],
)
def test_a_sealed_value_opens_only_where_it_belongs(key: bytes, context: str, damage: int) -> None:
    sealed = bytearray(Sealer(bytes(32)).seal(b"secret", "a"))
    sealed[-1] ^= damage

    with pytest.raises(CannotOpen, match="does not open"):
        Sealer(key).open(bytes(sealed), context)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12), bytes(27)], ids=len)
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(CannotOpen):
        Sealer(bytes(32)).open(sealed, "a")


def test_a_sealer_does_not_show_its_key() -> None:
    key = bytes(range(32))

    shown = repr(Sealer(key)) + str(vars(Sealer(key)))

    assert key.hex()[:16] not in shown
    assert base64.b64encode(key).decode()[:16] not in shown


def test_the_first_start_makes_a_key_that_the_next_start_finds(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    first = prepare(settings)

    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert len(base64.b64decode((tmp_path / "master.key").read_text())) == 32
    assert prepare(settings).key_id == first.key_id == open_sealer(settings).key_id
    assert [path.name for path in tmp_path.glob(".master*")] == []


def test_every_installation_has_its_own_key(tmp_path: Path) -> None:
    assert prepare(Settings(data_dir=tmp_path / "a")).key_id != prepare(Settings(data_dir=tmp_path / "b")).key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o602])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    settings = Settings(data_dir=tmp_path)
    prepare(settings)
    (tmp_path / "master.key").chmod(mode)

    with pytest.raises(SetupError, match="chmod 600"):
        prepare(settings)
    with pytest.raises(SetupError, match="chmod 600"):
        open_sealer(settings)


def test_the_setting_stands_for_the_file(tmp_path: Path) -> None:
    sealer = prepare(Settings(data_dir=tmp_path, master_key=KEY))

    assert not (tmp_path / "master.key").exists()
    assert sealer.key_id == Sealer(bytes(range(32))).key_id


@pytest.mark.parametrize("setting", ["c2hvcnQ=", "not base64!", KEY + KEY, KEY[:-1], " "], ids=range(5))
def test_a_setting_that_is_no_key_is_refused_without_being_repeated(tmp_path: Path, setting: str) -> None:
    with pytest.raises(SetupError, match="SCOPEGATE_MASTER_KEY must be 32 bytes in base64") as caught:
        prepare(Settings(data_dir=tmp_path, master_key=setting))

    assert setting.strip() not in str(caught.value) or not setting.strip()


def test_a_damaged_key_file_is_refused_without_being_repeated(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "master.key", os.O_CREAT | os.O_WRONLY, 0o600)
    os.write(descriptor, KEY[:20].encode())
    os.close(descriptor)

    with pytest.raises(SetupError, match=r"master\.key must be 32 bytes") as caught:
        prepare(Settings(data_dir=tmp_path))

    assert KEY[:20] not in str(caught.value)


@pytest.fixture
def sealed(settings: Settings) -> Settings:
    """A database that KEY has sealed."""
    prepare(Settings(data_dir=settings.data_dir, database=settings.database, master_key=KEY))
    return settings


def test_a_node_with_another_key_refuses_to_start(sealed: Settings) -> None:
    other = Settings(data_dir=sealed.data_dir, database=sealed.database, master_key=OTHER_KEY)

    with pytest.raises(SetupError, match="every node needs the same key") as caught:
        prepare(other)

    assert OTHER_KEY not in str(caught.value)


def test_a_node_without_the_key_refuses_to_start_and_makes_none(sealed: Settings) -> None:
    with pytest.raises(SetupError, match=r"master\.key is missing"):
        prepare(sealed)

    assert not (sealed.data_dir / "master.key").exists()


def test_a_key_that_only_claims_the_right_id_is_refused(sealed: Settings) -> None:
    from sqlalchemy import update

    from scopegate.store.port import Tx
    from scopegate.store.tables import meta

    def claim(tx: Tx) -> None:
        other = Sealer(base64.b64decode(OTHER_KEY)).key_id
        tx.sql.execute(update(meta).where(meta.c.name == "master_key_id").values(value=other))

    with opened(sealed) as driver:
        driver.write(claim)

    with pytest.raises(SetupError, match="every node needs the same key"):
        prepare(Settings(data_dir=sealed.data_dir, database=sealed.database, master_key=OTHER_KEY))


def test_a_sealed_secret_is_nowhere_in_the_files(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    seal = prepare(settings)
    secret = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    row = {"access_key_id": "AKIAEXAMPLE", "account": "1", "user_name": "u", "status": "Active", "created_at": 0.0}

    with opened(settings) as driver:
        sealed = seal.seal(secret, "access_key/AKIAEXAMPLE")
        driver.write(lambda tx: tx.sql.execute(insert(access_keys).values(**row, secret=sealed)) and None)
        while_open = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    after = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    for content in (while_open, after):
        assert b"AKIAEXAMPLE" in content, "the row itself is there"
        for form in (secret, base64.b64encode(secret)[:-4], secret.hex().encode()):
            assert form not in content
