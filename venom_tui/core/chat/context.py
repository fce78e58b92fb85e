"""How full the context is that a session's next answer gets, and which larger ones could be chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from venom_tui.core.errors import VenomError
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.models.parameters import merge_parameters
from venom_tui.core.routing.router import ModelRouter
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.content import AttachmentKind
from venom_tui.core.types.context import ContextChoice, ContextUse
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import Message, Role, Session

_CHARACTERS_PER_TOKEN = 4
"""Of English text, about."""
_LOOKS_AT = 40
"""Messages at the end of a session among which the last counted answer is looked for."""


class ContextMeter:
    """Measures; asks no model and changes nothing."""

    def __init__(self, sessions: SessionStore, models: ModelManager, router: ModelRouter) -> None:
        self._sessions = sessions
        self._models = models
        self._router = router

    async def use(self, session_id: str, *, model: str | None, runtime: str | None) -> ContextUse:
        """Return what a session takes of the context of the model that would answer next."""
        session = await self._sessions.get(session_id)
        messages = await self._sessions.messages(session.id, limit=_LOOKS_AT, data=False)
        try:
            found: ModelInfo | None = await self._find(model, runtime)
        except VenomError:
            found = None
        used, estimated = _used(messages, found)
        held = None if found is None else self._models.contexts.loaded(found)
        length = session.options.context_length if held is None else held.context_length
        return ContextUse(used, length, estimated)

    async def choices(self, session_id: str, *, model: str | None, runtime: str | None) -> tuple[ContextChoice, ...]:
        """Return the larger contexts that the model which would answer next could be loaded with.

        Raises:
            ModelNotFound, AmbiguousModel: see `ModelRouter.decide`.
            RuntimeFailure: its server cannot be asked.
        """
        session = await self._sessions.get(session_id)
        found = await self._find(model, runtime)
        return await self._models.contexts.choices(found, await self._parameters(session, found))

    async def _find(self, model: str | None, runtime: str | None) -> ModelInfo:
        route = await self._router.decide(mode="direct", model=model, runtime=runtime)
        return await self._models.find(route.model, route.runtime)

    async def _parameters(self, session: Session, model: ModelInfo) -> GenerationParameters:
        chosen = GenerationParameters(context_length=session.options.context_length)
        return merge_parameters(chosen, await self._models.parameters(model.name, model.runtime))


def _used(messages: Sequence[Message], model: ModelInfo | None) -> tuple[int | None, bool]:
    """Return the tokens of a conversation by its last counted answer, and whether some of them are estimated.

    Where no answer was counted (a stopped one is not), all are; of a session that goes on before `messages` that is
    not known.
    """
    later = 0
    for message in _backwards(messages):
        usage = message.usage
        if usage.prompt_tokens is not None and usage.completion_tokens is not None:
            same = model is not None and (message.runtime, message.model) == (model.runtime, model.name)
            tokens = usage.prompt_tokens + usage.completion_tokens + later // _CHARACTERS_PER_TOKEN
            return tokens, usage.estimated or later > 0 or not same
        later += len(message.content)
        later += sum(one.size_bytes for one in message.attachments if one.kind is AttachmentKind.TEXT)
    if later and len(messages) < _LOOKS_AT:  # all of them
        return later // _CHARACTERS_PER_TOKEN, True
    return None, False


def _backwards(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield what a model is sent of a session, the last message first."""
    own = False
    for message in reversed(messages):
        if message.role is Role.PROGRAM:
            own = True
        elif own and message.role is Role.USER:
            own = False  # the question that venom-tui answered itself
        elif message.role in (Role.USER, Role.ASSISTANT):
            yield message
