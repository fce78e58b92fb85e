"""The `ollama` command, for what a server does not let be done over HTTP. No shell sees a name."""

from __future__ import annotations

import asyncio
import os
import shutil

from venom_tui.core.errors import RuntimeFailure, RuntimeTimeout
from venom_tui.core.sanitize import sanitize_line

_TIMEOUT_S = 60.0
_LARGEST = 65_536
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR")


class OllamaCommand:
    """Runs `ollama` against one server."""

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def path(self) -> str | None:
        """Where the command is, None where it is not."""
        return shutil.which("ollama")

    async def delete(self, name: str) -> None:
        """Remove a model.

        Raises:
            RuntimeFailure: the command failed, with its own words.
        """
        await self._run("rm", "--", name)

    async def copy(self, source: str, destination: str) -> None:
        """Give a model another name.

        Raises:
            RuntimeFailure: the command failed, with its own words.
        """
        await self._run("cp", "--", source, destination)

    async def _run(self, *arguments: str) -> None:
        program = self.path
        if program is None:
            raise RuntimeFailure("There is no command `ollama` here.")
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            env={**environment, "OLLAMA_HOST": self._url},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                said = b""
                while piece := await process.stdout.read(4096):
                    said = (said + piece)[-_LARGEST:]
                status = await process.wait()
        except TimeoutError:
            raise RuntimeTimeout(f"`ollama {arguments[0]}` did not end in time.") from None
        finally:
            if process.returncode is None:
                process.kill()
                await asyncio.shield(process.wait())
        if status != 0:
            words = sanitize_line(said.decode("utf-8", "replace"), 400)
            raise RuntimeFailure(f"`ollama {arguments[0]}` failed ({status}).", server_message=words)
