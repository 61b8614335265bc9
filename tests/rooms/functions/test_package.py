"""Code packages: what is unpacked, and how; what is refused is in the attack tests."""

import base64
import hashlib
import io
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopegate.base.errors import AwsError
from scopegate.functions.package import unpack
from scopegate.stacks.build import pack
from scopegate.stacks.builders import Part


def zip_of(*entries: tuple[str, bytes, int]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            info = zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10))
            info.external_attr = mode << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def test_package_lies_under_its_digest_with_its_modes(tmp_path: Path) -> None:
    """Reference, Code packages: mode bits of the central directory, CodeSha256 and CodeSize of the bytes uploaded."""
    archive = zip_of(
        ("bootstrap", b"#!/bin/sh\n", 0o100755), ("lib/a.py", b"x = 1\n", 0o100644), ("lib/link", b"a.py", 0o120777)
    )

    package = unpack(archive, tmp_path / "code")

    assert package.directory == tmp_path / "code" / hashlib.sha256(archive).hexdigest()
    assert package.code_sha256 == base64.b64encode(hashlib.sha256(archive).digest()).decode()
    assert package.code_size == len(archive)
    assert stat.S_IMODE((package.directory / "bootstrap").stat().st_mode) == 0o555
    assert stat.S_IMODE((package.directory / "lib/a.py").stat().st_mode) == 0o444
    assert stat.S_IMODE((package.directory / "lib").stat().st_mode) == 0o555
    assert (package.directory / "lib/link").read_text() == "x = 1\n"
    assert (package.directory / "lib/a.py").stat().st_mtime == 1714979290


def test_archive_without_modes_gives_readable_files(tmp_path: Path) -> None:
    package = unpack(zip_of(("index.py", b"", 0)), tmp_path)

    assert stat.S_IMODE((package.directory / "index.py").stat().st_mode) == 0o444


def test_same_archive_is_unpacked_once(tmp_path: Path) -> None:
    archive = zip_of(("index.py", b"x = 1\n", 0o100644))
    first = unpack(archive, tmp_path)
    inode = (first.directory / "index.py").stat().st_ino

    second = unpack(archive, tmp_path)

    assert second == first
    assert (second.directory / "index.py").stat().st_ino == inode


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (b"not a zip at all", "Could not unzip uploaded file. Please check your file, then try to upload again."),
        (zip_of(), "Uploaded file must be a non-empty zip"),
    ],
    ids=["empty", "no zip", "no entries"],
)
def test_what_is_no_package_is_refused_in_lambdas_words(archive: bytes, message: str, tmp_path: Path) -> None:
    """Reference, Code packages."""
    with pytest.raises(AwsError) as refused:
        unpack(archive, tmp_path)

    assert (refused.value.code, refused.value.message) == ("InvalidParameterValueException", message)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_package_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    good = zip_of(("index.py", b"x = 1\n" * 10, 0o100644))
    at = len(junk) % len(good)
    for archive in (junk, good[:at] + junk + good[at:], good[:at] + junk):
        try:
            unpack(archive, folder)
        except AwsError as error:
            assert error.code == "InvalidParameterValueException"  # noqa: PT017


def packed(folder: Path) -> bytes:
    file = io.BytesIO()
    pack([Part(folder)], file)
    return file.getvalue()


def test_packing_a_folder_is_the_same_bytes_each_time_and_unpacks(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "pkg" / "__pycache__").mkdir(parents=True)
    (source / "pkg" / "__pycache__" / "x.pyc").write_bytes(b"1")
    (source / "pkg" / "b.py").write_text("b = 1\n")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o700)
    (source / "alias").symlink_to("pkg/b.py")
    first = packed(source)
    (source / "pkg" / "b.py").touch()

    package = unpack(packed(source), tmp_path / "code")

    assert packed(source) == first
    files = {path.relative_to(package.directory).as_posix() for path in package.directory.rglob("*")}
    assert files == {"pkg", "pkg/b.py", "run", "alias"}
    assert stat.S_IMODE((package.directory / "run").stat().st_mode) == 0o555
    assert (package.directory / "alias").read_text() == "b = 1\n"
