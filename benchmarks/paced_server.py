"""A server on loopback that sends an answer at a fixed rate: OpenAI's wire and Ollama's.

    with PacedServer(tokens=8000, rate=200) as server: …

It runs in a process of its own and knows when it sent each token (`server.sent()`, seconds of `time.monotonic`, which
all processes share). The answer is `texts.answer`; its last token is `texts.MARK`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.scripted_server import ServerProcess
from benchmarks.texts import answer

MODEL = "paced"
_FIRST_AFTER_S = 0.05
"""What the model takes to read the prompt."""


class PacedServer(ServerProcess):
    """The server as a process; `url` is where it listens."""

    def __init__(self, *, tokens: int, rate: float) -> None:
        super().__init__("benchmarks.paced_server", str(tokens), str(rate))

    @property
    def toml(self) -> str:
        """What config.toml says of it."""
        return f'[runtimes.paced]\nurl = "{self.url}"\nkind = "openai"\n'

    def sent(self) -> list[float]:
        """Return when each token of the last answer was sent, as far as it has come."""
        found: list[float] = self.ask("/sent")
        return found

    def wait_until_sent(self, count: int, timeout: float = 120.0) -> list[float]:
        """Wait until `count` tokens of the last answer were sent; return when each was."""
        deadline = time.monotonic() + timeout
        while len(sent := self.sent()) < count:
            assert time.monotonic() < deadline, f"only {len(sent)} of {count} tokens were sent"
            time.sleep(0.25)  # seldom: asking takes of the CPU on which the program is measured
        return sent


# ---------------------------------------------------------------------- the process


@dataclass
class _Server:
    tokens: list[str]
    rate: float
    sent: list[float] = field(default_factory=list)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection one after the other."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
                await reader.readexactly(int(named.get("content-length", 0)))
                await self.serve(lines[0].split()[1].partition("?")[0], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    async def serve(self, path: str, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        match path:
            case "/v1/chat/completions":
                await self.stream(writer, "text/event-stream", self._events())
            case "/api/chat":
                await self.stream(writer, "application/x-ndjson", self._lines())
            case _:
                value = self._facts(path)
                body = json.dumps(value).encode()
                status = b"404 Not Found" if value is None else b"200 OK"
                head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(head % (status, len(body)) + body)
                await writer.drain()

    def _facts(self, path: str) -> Any:
        details = {"family": "paced", "parameter_size": "1B", "quantization_level": "Q4_0", "format": "gguf"}
        row = {
            "name": MODEL, "model": MODEL, "size": 10**9, "digest": "0" * 64, "details": details,
            "modified_at": "2026-11-01T00:00:00Z",
        }  # fmt: skip
        return {
            "/v1/models": {"object": "list", "data": [{"id": MODEL, "object": "model"}]},
            "/api/version": {"version": "0.13.0"},
            "/api/tags": {"models": [row]},
            "/api/ps": {"models": []},
            "/api/show": {
                "details": details, "model_info": {"general.architecture": "paced", "paced.context_length": 32768},
                "capabilities": ["completion"], "template": "{{ .Prompt }}", "parameters": "", "license": "",
                "modified_at": "2026-11-01T00:00:00Z", "modelfile": "",
            },
            "/sent": self.sent,
        }.get(path)  # fmt: skip

    def _events(self) -> tuple[list[bytes], bytes]:
        common = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": MODEL}

        def event(delta: dict[str, str], reason: str | None, **more: object) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return b"data: " + json.dumps({**common, "choices": [choice], **more}).encode() + b"\n\n"

        usage = {"prompt_tokens": 10, "completion_tokens": len(self.tokens)}
        pieces = [event({"content": token}, None) for token in self.tokens]
        return pieces, event({}, "stop", usage=usage) + b"data: [DONE]\n\n"

    def _lines(self) -> tuple[list[bytes], bytes]:
        common = {"model": MODEL, "created_at": "2026-11-01T00:00:00Z"}
        pieces = [
            json.dumps({**common, "message": {"role": "assistant", "content": t}, "done": False}).encode() + b"\n"
            for t in self.tokens
        ]
        counts = {"prompt_eval_count": 10, "eval_count": len(self.tokens), "total_duration": 1, "eval_duration": 1}
        empty = {"role": "assistant", "content": ""}
        last = {**common, "message": empty, "done": True, "done_reason": "stop", **counts}
        return pieces, json.dumps(last).encode() + b"\n"

    async def stream(self, writer: asyncio.StreamWriter, kind: str, answer: tuple[list[bytes], bytes]) -> None:
        """Send the pieces at their times, each in a packet of its own unless it is late."""
        pieces, last = answer
        self.sent.clear()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        begin = time.monotonic() + _FIRST_AFTER_S
        for number, piece in enumerate(pieces):
            wait = begin + number / self.rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
            self.sent.append(time.monotonic())
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(last), last))
        await writer.drain()


async def _main(tokens: int, rate: float) -> None:
    server = _Server(answer(tokens), rate)
    listening = await asyncio.start_server(server.accept, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokens", type=int)
    parser.add_argument("rate", type=float)
    given = parser.parse_args()
    asyncio.run(_main(given.tokens, given.rate))
