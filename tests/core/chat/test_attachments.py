"""Files that are attached: what is taken, what is refused in one sentence, and how a model is told of them."""

from __future__ import annotations

import base64
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN
from venom_tui.core.chat.attachments import images_of, read_file, told_text
from venom_tui.core.core import Core
from venom_tui.core.errors import UsageError
from venom_tui.core.types.content import Attachment, AttachmentKind, Image

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + b"x" * 20,
    "image/gif": b"GIF89a" + b"x" * 20,
    "image/webp": b"RIFF\n\n\x00\x00WEBPVP8 " + b"x" * 20,
}


def text(name: str, data: str) -> Attachment:
    return Attachment(name, AttachmentKind.TEXT, "text/plain", len(data), data)


# ---------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"hello\n", "hello\n"),
        (b"\xef\xbb\xbfwith a mark\r\nof its order\r", "with a mark\nof its order\n"),
        ("Grüße, 世界".encode(), "Grüße, 世界"),
        (b"\x1b[31mred\x1b[0m\x07 \xe2\x80\xaetxt", "red txt"),
        (b"\x89PN is no image", None),
        (b"nothing\x00here", None),
        (b"caf\xe9", None),
        ("utf-16".encode("utf-16"), None),
    ],
)
def test_texts(tmp_path: Path, data: bytes, read: str | None) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(data)
    if read is None:
        with pytest.raises(UsageError, match=r"^notes.txt is neither UTF-8 text nor a PNG, JPEG, GIF or WebP image\.$"):
            read_file(file)
    else:
        assert read_file(file) == Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", len(data), read)


@pytest.mark.parametrize(("media_type", "data"), IMAGES.items())
def test_images_are_known_by_their_first_bytes(tmp_path: Path, media_type: str, data: bytes) -> None:
    file = tmp_path / "picture.txt"
    file.write_bytes(data)
    found = read_file(file)
    assert (found.kind, found.media_type, found.size_bytes) == (AttachmentKind.IMAGE, media_type, len(data))
    assert base64.b64decode(found.data) == data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds no text"),
        (b" \n\x1b[0m\n", "holds no text"),
        (b"x" * 2000, "has 1.95 KiB of text: up to 1000 bytes can be attached"),
        (("ü" * 2000).encode(), "has 3.91 KiB of text"),
        (b"\xff" * 2000, "is neither UTF-8 text"),
        (PNG + b"x" * 3000, "has 3 KiB: images of up to 1.95 KiB can be attached"),
    ],
)
def test_limits(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=f"^file {words}"):
        read_file(file, text_limit=1000, image_limit=2000)


@pytest.mark.parametrize("size", [999, 1000])
def test_up_to_the_limit(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * size)
    assert read_file(file, text_limit=1000).size_bytes == size


def test_the_usual_limits(tmp_path: Path) -> None:
    file = tmp_path / "big.log"
    file.write_bytes(b"x" * (3 * 1024**2))
    with pytest.raises(UsageError, match="log has 3 MiB of text: up to 1 MiB can be attached"):
        read_file(file)
    with file.open("wb") as opened:
        opened.write(PNG)
        opened.truncate(21 * 1024**2)
    with pytest.raises(UsageError, match="log has 21 MiB: images of up to 20 MiB"):
        read_file(file)


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(path))


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _nothing(_path: Path) -> None:
    """Leave the place empty."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_folder, "is a folder: only files"),
        (_pipe, "is no regular file"),
        (_socket, "is no regular file"),
        (_device, "is no regular file"),
        (_circle, "cannot be attached: Too many levels of symbolic links"),
        (_nothing, "cannot be attached: No such file or directory"),
    ],
)
def test_what_is_no_file(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    make(tmp_path / "thing")
    with pytest.raises(UsageError, match=f"^thing {words}"):
        read_file(tmp_path / "thing")


def test_links_are_followed_and_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real.txt").write_text("hello")
    (tmp_path / "link.txt").symlink_to("real.txt")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (read_file(Path("~/link.txt")).name, read_file(Path("~/link.txt")).data) == ("link.txt", "hello")
    with pytest.raises(UsageError, match="cannot be attached"):
        read_file(Path("~nobody-of-that-name/x"))
    with pytest.raises(UsageError, match="cannot be attached"):
        read_file(Path("with\0nul"))


def test_a_name_is_outside_text(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"a\x1b[31m\n\xff.txt")
    file.write_text("hello")
    assert read_file(file).name == "a .txt"


async def test_the_core_attaches(core: Core, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert (await core.chat.attach(tmp_path / "notes.txt")).data == "hello"
    with pytest.raises(UsageError):
        await core.chat.attach(tmp_path)


# ---------------------------------------------------------------------- how a model is told


def test_files_stand_after_the_text() -> None:
    picture = Attachment("cat.png", AttachmentKind.IMAGE, "image/png", 3, "aGk=")
    attached = [text("a.txt", "\none\n"), picture, text("b.md", "````\nx\n````")]
    assert told_text("Look:", attached) == (
        "Look:\n\nFile a.txt:\n```\none\n```\n\nFile b.md:\n`````\n````\nx\n````\n`````"
    )
    assert told_text(" ", attached[:1]) == "File a.txt:\n```\none\n```"
    assert told_text("Look", [picture]) == "Look"
    assert images_of(attached) == (Image("image/png", "aGk="),)


@given(st.text(alphabet="`~ab\n", max_size=40))
def test_nothing_in_a_text_ends_its_fence(data: str) -> None:
    lines = told_text("", [text("f", data)]).split("\n")
    fence = lines[1]
    assert lines[0] == "File f:"
    assert re.fullmatch("`{3,}", fence)
    assert lines[-1] == fence
    assert not any(fence in line for line in lines[2:-1])


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("any") / "file"
    file.write_bytes(data)
    try:
        found = read_file(file)
    except UsageError:
        return
    assert found.kind is AttachmentKind.IMAGE or not FORBIDDEN.search(found.data)
