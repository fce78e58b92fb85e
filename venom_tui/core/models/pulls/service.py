"""Pulls by name: who is asked, what it would cost, and the operation that does it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import ReadOnly, RuntimeUnavailable, UsageError
from venom_tui.core.models import held
from venom_tui.core.models.names import (
    PROVIDERS,
    Provider,
    check_name,
    hub_name,
    normalized,
    ollama_name,
    provider_of,
)
from venom_tui.core.models.outside import Outside
from venom_tui.core.models.pulls.performers import register
from venom_tui.core.models.pulls.previews import OllamaServer, Planned, Previews
from venom_tui.core.models.pulls.room import check
from venom_tui.core.models.pulls.unfinished import PULL, UnfinishedPulls
from venom_tui.core.operations.runner import OperationRunner, Terms
from venom_tui.core.owner import Owner
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.runtimes.ollama import OllamaRuntime
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.pull import PullPreview
from venom_tui.core.types.runtime import UNHEARD

_KEPT = 100
"""Previews that are remembered, so that a pull of one of them asks nothing again."""


class Pulls:
    """Begins pulls."""

    def __init__(
        self,
        settings: Settings,
        pool: HttpPool,
        runtimes: LlmServerController,
        operations: OperationRunner,
        outside: Outside,
        owner: Owner,
    ) -> None:
        self._settings = settings
        self._runtimes = runtimes
        self._operations = operations
        self._previews = Previews(settings, pool, outside, UnfinishedPulls(operations))
        self._machine = held.machine_of(owner)
        self._planned: dict[PullPreview, Planned] = {}
        register(operations, settings, pool)

    async def preview(
        self, name: str, provider: str | None = None, *, insecure: bool = False, runtime: str | None = None
    ) -> PullPreview:
        """Return what a pull would fetch, and whether there is room.

        Args:
            name: `llama3.2`, `org/repo`, `hf.co/org/repo:Q4_K_M`, or an address of one of the two sites.
            provider: `ollama` or `huggingface`, where the name alone would be taken otherwise.
            insecure: whether the registry may speak plain HTTP.
            runtime: which Ollama is asked, where there are several.

        Raises:
            UsageError: the name is not legal, or not one of that provider.
            ModelNotFound: there is no such model.
            RuntimeFailure: who has to be asked does not answer, or refuses; the hint says what to do.
            Offline: somebody outside would have to be asked.
        """
        planned = await self._plan(name, provider, insecure, runtime)
        self._planned.pop(planned.preview, None)
        self._planned[planned.preview] = planned
        for oldest in list(self._planned)[:-_KEPT]:
            del self._planned[oldest]
        return planned.preview

    async def pull(
        self,
        name: str,
        provider: str | None = None,
        *,
        insecure: bool = False,
        runtime: str | None = None,
        preview: PullPreview | None = None,
        waiting: bool = False,
        yes: bool = False,
        force: bool = False,
    ) -> Operation:
        """Begin a pull and return its operation; the same pull that goes on already is returned instead.

        `preview` is what `preview` returned for it, so that nothing is asked twice. With `waiting` it is left to a
        process without a terminal, which is started next. `yes` answers the question of a limit, `force` overrides its
        refusal, too.

        Raises:
            NeedsYes: it would leave less free than what is to be kept, and nobody said yes.
            GuardRefused: the same, where the policy refuses that.
            NoSpace: it cannot fit where it would lie.
            ReadOnly: venom-tui runs read-only.
            UsageError, ModelNotFound, RuntimeFailure, Offline: see `preview`.
        """
        if self._settings.flag("VENOM_READ_ONLY"):
            raise ReadOnly("venom-tui runs read-only: nothing is fetched.", hint="Start it without --read-only.")
        planned = None if preview is None else self._planned.get(preview)
        if planned is None:
            planned = await self._plan(name, provider, insecure, runtime)
        found = planned.preview
        terms = self._terms(planned.arguments | {"yes": yes, "force": force})
        before = await self._operations.claimed(terms.claim)
        if before is None or before.state in (OperationState.PAUSED, OperationState.INTERRUPTED):
            check(found, yes=yes, force=force)
        if before is not None and (yes or force):
            await self._operations.amend(before.id, terms.arguments)
        return await self._operations.submit(
            PULL,
            sanitize_line(name, 300),
            terms,
            runtime=found.runtime,
            provider=found.provider,
            bytes_total=found.bytes_total,
            waiting=waiting,
        )

    async def _plan(self, name: str, provider: str | None, insecure: bool, runtime: str | None) -> Planned:
        asked = await self._provider(name, provider, runtime)
        target = sanitize_line(name, 300)
        if asked == "huggingface":
            return await self._previews.of_hub(hub_name(name), target)
        server = await self._server(runtime)
        return await self._previews.of_ollama(
            ollama_name(normalized(name, "ollama")), target, server, insecure=insecure
        )

    async def _provider(self, name: str, provider: str | None, runtime: str | None) -> Provider:
        """Return who is asked for a name.

        Raises:
            UsageError: nobody can be.
        """
        name = name.removesuffix("/")
        if provider is not None and provider not in PROVIDERS:
            raise UsageError(
                f"There is no provider {sanitize_line(provider, 40)!r}.", hint="There are: ollama, huggingface."
            )
        if not name.lower().startswith(("http://", "https://")):
            check_name(name)
        if provider is None:
            await self._runtimes.settled()
            asked = provider_of(name, ollama=runtime is not None or self._reachable() is not None)
        else:
            asked = next(one for one in PROVIDERS if one == provider)
        if asked == "local":
            raise UsageError(
                "A file of this machine is not pulled.",
                hint="GGUF files belong into the models folder, which `venom-tui info` names.",
            )
        normalized(name, asked)
        return asked

    def _ollamas(self) -> list[OllamaRuntime]:
        found = (self._runtimes.find(one) for one in self._runtimes.states())
        return [one for one in found if isinstance(one, OllamaRuntime)]

    def _reachable(self) -> OllamaRuntime | None:
        return next((one for one in self._ollamas() if one.status().state not in UNHEARD), None)

    async def _server(self, runtime: str | None) -> OllamaServer:
        """Return the Ollama that is asked.

        Raises:
            RuntimeUnavailable: none answers.
            UsageError: the runtime that was named is no Ollama.
        """
        await self._runtimes.settled()
        if runtime is not None:
            found = self._runtimes.runtime(runtime)
            if not isinstance(found, OllamaRuntime):
                raise UsageError(f"Runtime {found.id} fetches no models.", hint="Ollama does, and Hugging Face.")
        else:
            reachable = self._reachable()
            if reachable is None:
                known = self._ollamas()
                where = f" at {known[0].endpoint.partition('://')[2]}" if known else ""
                raise RuntimeUnavailable(
                    f"No Ollama answers{where}, and this name is one of Ollama's.",
                    hint="Start Ollama, or name a repository of Hugging Face (ORG/NAME).",
                    server_message=known[0].status().server_message if known else "",
                )
            found = reachable
        return OllamaServer(found.id, found.client, found.models())

    def _terms(self, arguments: Mapping[str, Any]) -> Terms:
        """Return how a pull gets along with others: one at a time from a provider, the same one never twice."""
        if arguments["provider"] == "ollama":
            endpoint = arguments["endpoint"]
            server = held.server_of(endpoint, self._machine)
            about = held.of_ollama(server, arguments["model"])
            holds = {"holds": [about, held.pulls_into(server)]}
            return Terms(f"downloads of {server}", f"pull {about}", dict(arguments) | holds)
        names = json.dumps(sorted(path for path, _, _ in arguments["files"]))
        files = hashlib.sha256(names.encode()).hexdigest()[:16]
        about = held.of_repository(arguments["cache"], arguments["repository"])
        claim = f"pull {about} {arguments['commit']} {files}"
        return Terms(f"downloads of huggingface on {self._machine}", claim, dict(arguments) | {"holds": [about]})
