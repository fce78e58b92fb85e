"""A server on loopback that does byte for byte what a test says, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_LARGEST_REQUEST = 64 * 1024 * 1024


@dataclass
class Exchange:
    """One request as it came, and the means to answer it."""

    target: str
    """Method and target of the request line: `POST /v1/chat/completions`."""
    headers: dict[str, str]
    body: bytes
    raw: bytes
    writer: asyncio.StreamWriter = field(repr=False)
    reader: asyncio.StreamReader = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when the kernel has them."""
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed its side."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            return

    def reset(self) -> None:
        """Break the connection off with a reset."""
        found = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


class Server:
    """Answers the first connection by the first script, and so on; the last script answers all further ones."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[Exchange] = []
        self.url = ""
        self.arrived = asyncio.Event()
        """Set by each request."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a port, a free one where none is named; with TLS where a context is given."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=_LARGEST_REQUEST, ssl=tls)
        address = self._server.sockets[0].getsockname()
        named = f"[{host}]" if ":" in host else host
        self.url = f"http{'s' if tls else ''}://{named}:{address[1]}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.url).port or 0

    async def close(self) -> None:
        """End all connections and listen no more."""
        assert self._server is not None
        # What is being accepted has its task then; of a server that is closed meanwhile asyncio would leave it open.
        await _turns()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _turns()  # a transport lets go of its socket in a turn after it was closed, and the loop may end now

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        except asyncio.CancelledError:
            pass  # the test is over; nobody waits for this task
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except (ConnectionError, asyncio.CancelledError):
                pass
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        exchange = Exchange(first.rpartition(" ")[0], headers, body, head + body, writer, reader)
        script = self.scripts[min(len(self.asked), len(self.scripts) - 1)]
        self.asked.append(exchange)
        self.arrived.set()
        await script(exchange)


async def _turns() -> None:
    """Let the loop do what it has been told, and what comes of that."""
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    *scripts: Script, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Run a server with these scripts."""
    server = Server(*scripts)
    await server.start(host, port=port, tls=tls)
    try:
        yield server
    finally:
        await server.close()


def head(status: str = "200 OK", kind: str = "text/event-stream", **headers: str) -> bytes:
    """Return the head of an answer that ends with its connection."""
    named = {"content-type": kind, "connection": "close", **{k.replace("_", "-"): v for k, v in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1")


def piece(text: str = "", **fields: object) -> bytes:
    """Return one event of a streamed chat answer; `finish_reason` goes to the choice, other fields to the event."""
    choice = {
        "index": 0,
        "delta": {"content": text} if text else {},
        "finish_reason": fields.pop("finish_reason", None),
    }
    return event({"choices": [choice], **fields})


def event(value: object) -> bytes:
    """Return a server-sent event with a JSON value."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def answer(*texts: str) -> bytes:
    """Return a whole streamed answer."""
    return head() + b"".join(piece(text) for text in texts) + piece(finish_reason="stop") + DONE


def sends(*parts: bytes) -> Script:
    """Return a script that sends parts one after the other and closes the connection."""

    async def script(exchange: Exchange) -> None:
        found = exchange.writer.get_extra_info("socket")
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            await exchange.write(part)
            await asyncio.sleep(0)

    return script


async def hangs(exchange: Exchange) -> None:
    """Never answer; end when the client does."""
    await exchange.gone()


def sends_then_hangs(*parts: bytes) -> Script:
    """Return a script that sends parts and then nothing more, until the client goes away."""

    async def script(exchange: Exchange) -> None:
        await sends(*parts)(exchange)
        await exchange.gone()

    return script


def forwards(url: Callable[[], str]) -> Script:
    """Return a script that hands everything on to another server and its answer back."""

    async def script(exchange: Exchange) -> None:
        there = urlsplit(url())
        reader, writer = await asyncio.open_connection(there.hostname, there.port)
        gone = asyncio.create_task(exchange.gone())
        try:
            # One exchange a connection: a client that sent another one on the same would wait for ever.
            writer.write(re.sub(rb"(?i)\r\nconnection: keep-alive", b"\r\nconnection: close", exchange.raw, count=1))
            await writer.drain()
            while True:
                more = asyncio.create_task(reader.read(65536))
                await asyncio.wait({more, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not more.done() or not more.result():
                    more.cancel()
                    return
                await exchange.write(more.result())
        finally:
            gone.cancel()
            writer.close()

    return script
