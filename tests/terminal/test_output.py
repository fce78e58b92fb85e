"""Writing to a terminal that may not read: nothing waits, nothing is torn or out of order, frames are left out."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import threading
import time
import tty
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.ui.terminal.output import CONTROL_LIMIT, COSMETIC_LIMIT, Output, open_again

MORE_THAN_A_PIPE = 300_000


class Pipe:
    """A pipe of which the writing end never blocks."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def read(self, most: int = 1 << 20) -> bytes:
        """Return what can be read now."""
        try:
            return os.read(self.reader, most)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for descriptor in (self.reader, self.writer):
            try:
                os.close(descriptor)
            except OSError:
                pass  # a test closed it


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    opened = Pipe()
    yield opened
    opened.close()


async def read_all(pipe: Pipe, output: Output) -> bytes:
    """Read until everything that was kept has come."""
    found = b""
    while output.busy or (piece := pipe.read()):
        found += pipe.read() if output.busy else piece
        await asyncio.sleep(0)
    return found


async def test_what_is_not_read_is_kept_in_order_and_written_later(pipe: Pipe) -> None:
    drained: list[int] = []
    output = Output(pipe.writer, on_drained=lambda: drained.append(output.bytes_written))
    expected = b""
    for number in range(40):
        data = bytes([number]) * 20_000
        expected += data
        output.write(data)
    assert output.busy
    assert output.kept_bytes + output.bytes_written == len(expected)
    assert await read_all(pipe, output) == expected
    assert (drained, output.kept_bytes) == ([len(expected)], 0)
    output.write(b"more")
    assert (pipe.read(), drained) == (b"more", [len(expected)]), "told only after a terminal was late"


async def test_sequences_that_only_decorate_are_left_out_first(pipe: Pipe) -> None:
    output = Output(pipe.writer)
    output.write(b"x" * MORE_THAN_A_PIPE)
    assert output.kept_bytes > COSMETIC_LIMIT
    kept = output.kept_bytes
    output.write(b"\a", cosmetic=True)
    assert output.kept_bytes == kept
    output.write(b"control")
    assert output.kept_bytes == kept + 7
    for _ in range(12):
        output.write(b"c" * 1_000_000)
    assert output.kept_bytes <= CONTROL_LIMIT + 1_000_000, "a program gone wild fills no memory"
    assert (await read_all(pipe, output)).startswith(b"x" * MORE_THAN_A_PIPE + b"controlc")


async def test_the_flush_at_the_end_has_a_limit(pipe: Pipe) -> None:
    output = Output(pipe.writer)
    assert output.flush(0.0), "there is nothing to wait for"
    data = os.urandom(MORE_THAN_A_PIPE)
    output.write(data)
    began = time.monotonic()
    assert not output.flush(0.05)
    assert time.monotonic() - began < 5
    found: list[bytes] = []

    def read() -> None:
        while sum(map(len, found)) < len(data):
            found.append(pipe.read())

    reader = threading.Thread(target=read)
    reader.start()
    assert output.flush(30)
    reader.join(30)
    assert b"".join(found) == data
    output.write(data)
    output.discard()
    assert (output.busy, output.kept_bytes) == (False, 0)


async def test_a_terminal_that_is_gone_is_told_once(pipe: Pipe) -> None:
    lost: list[bool] = []
    drained: list[bool] = []
    output = Output(pipe.writer, on_drained=lambda: drained.append(True), on_lost=lambda: lost.append(True))
    output.write(b"x" * MORE_THAN_A_PIPE)
    os.close(pipe.reader)
    output.write(b"y")
    await asyncio.sleep(0.01)
    output.write(b"z")
    assert (lost, drained, output.lost, output.busy) == ([True], [], True, False)
    assert output.flush(0.0)


def test_without_a_loop_it_writes_what_it_can(pipe: Pipe) -> None:
    output = Output(pipe.writer)
    output.write(b"a" * MORE_THAN_A_PIPE)
    assert output.busy
    assert pipe.read()
    output.write(b"b")
    assert not output.flush(0.0)


@given(st.lists(st.tuples(st.integers(0, 150_000), st.integers(0, 200_000)), max_size=12))
def test_any_interleaving_of_writing_and_reading_keeps_the_order(steps: list[tuple[int, int]]) -> None:
    async def run() -> None:
        pipe = Pipe()
        try:
            output = Output(pipe.writer)
            expected = found = b""
            for number, (written, read) in enumerate(steps):
                data = bytes([number]) * written
                expected += data
                output.write(data)
                found += pipe.read(read) if read else b""
                await asyncio.sleep(0)
            found += await read_all(pipe, output)
            assert found == expected
        finally:
            output.discard()
            pipe.close()

    asyncio.run(run())


def test_a_terminal_is_opened_again_so_that_others_still_block() -> None:
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        again = open_again(slave)
        assert os.fstat(again).st_rdev == os.fstat(slave).st_rdev
        assert fcntl.fcntl(again, fcntl.F_GETFL) & os.O_NONBLOCK
        assert not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK, "the shell has the same open file"
        assert not os.get_inheritable(again)
        os.write(again, b"through")
        assert os.read(master, 100) == b"through"
        os.close(again)
    finally:
        os.close(master)
        os.close(slave)
