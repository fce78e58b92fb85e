"""The language of the catalog's filter. Pure.

    qwen coder             both words occur in what the row says
    !vision                does not occur
    "llama 3"              a phrase
    cap:tools  !quant:q4   a key with a value, or not with it; texts match from their beginning, `name` anywhere
    size:<8G  params:>=7B  context:>=32k  size:4.7
    loaded:yes  is:broken  is:remote  used:no  quant:?      `?` is what is not known
    fit:fits  fit:evicts  !fit:large                        what the badge says

What is not understood is left out and said, so that a filter that is being typed never hides everything by a mistake.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from venom_tui.core.types.fit import Verdict
from venom_tui.core.types.model import ModelInfo
from venom_tui.ui.screens.catalog.row import Row, abilities, place_of
from venom_tui.ui.text import clean, truncate_middle

Holds = Callable[[Row], bool]
Number = Callable[[Row], float | None]


@dataclass(frozen=True, slots=True)
class Condition:
    """One word of a filter."""

    holds: Holds
    negated: bool = False
    unmatched: str = ""
    """What is said, and the condition left out, when it holds for no row at all; "" where that is an answer."""
    by_fit: bool = False
    """Whether it looks at whether models fit."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a filter leaves of the rows, in their order, and what is to be said about the filter."""

    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was read: every condition must hold."""

    conditions: tuple[Condition, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences on what was not understood."""

    @property
    def by_fit(self) -> bool:
        """Whether it takes to know of every model whether it fits."""
        return any(condition.by_fit for condition in self.conditions)

    def choose(self, rows: Sequence[Row]) -> Chosen:
        """Return the rows for which all conditions hold."""
        notes = list(self.notes)
        left = rows
        for condition in self.conditions:
            if condition.unmatched and not any(condition.holds(row) for row in rows):
                notes.append(condition.unmatched)
            else:
                left = [row for row in left if condition.holds(row) is not condition.negated]
        return Chosen(left, notes[0] if notes else "")


_WORD = re.compile(r'\s*(?P<nots>!*)(?:(?P<key>[^\W\d_]+):)?(?:"(?P<quoted>[^"]*)(?:"|\Z)|(?P<plain>[^\s"]\S*)|)')


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a filter as it was typed."""

    negated: bool
    key: str
    """"" for a plain word."""
    value: str


def words_of(text: str) -> Iterator[Word]:
    """Yield the pieces of a filter; a quote that is not closed yet reaches to the end."""
    at = 0
    while at < len(text) and (found := _WORD.match(text, at)) is not None and found.end() > at:
        at = found.end()
        value = found["quoted"] if found["quoted"] is not None else found["plain"] or ""
        if found["key"] or value:
            yield Word(len(found["nots"]) % 2 == 1, (found["key"] or "").casefold(), value)


def parse(text: str) -> Query:
    """Read a filter; every text is one."""
    conditions: list[Condition] = []
    notes: list[str] = []
    for word in words_of(text):
        read = _read(word)
        if isinstance(read, str):
            notes.append(read)
        elif read is not None:
            conditions.append(read)
    return Query(tuple(conditions), tuple(notes))


def _read(word: Word) -> Condition | str | None:
    """Return a word's condition, or what is wrong with it, or None for one that says nothing yet."""
    key, value = word.key, word.value.casefold()
    if not key:
        return Condition(_has_text(value), word.negated) if value else None
    if key == "name":
        return Condition(lambda row: value in row.model.name.casefold(), word.negated)
    if key in _TEXTS:
        return _read_text(word.negated, key, value)
    if key in _AMOUNTS:
        return _read_amount(word.negated, key, value)
    if key == "fit":
        return _read_fit(word.negated, value)
    if key in _STATES:
        return _read_state(word.negated, key, value)
    # Names hold colons (`coder:30b`): such a word is looked for as it stands before it is called wrong.
    unmatched = f"no key {_quoted(key)}; try size, cap, quant or is"
    return Condition(_has_text(f"{key}:{value}"), word.negated, unmatched)


def _has_text(text: str) -> Holds:
    place = f"\n{text}"
    return lambda row: text in row.text or place in row.places


# ---------------------------------------------------------------------- texts

_TEXTS: dict[str, tuple[str, Callable[[ModelInfo], Sequence[str] | None]]] = {
    "runtime": ("runtime", lambda model: (place_of(model),)),
    "provider": ("provider", lambda model: (model.provider,)),
    "quant": ("quantization", lambda model: _one(model.quantization)),
    "arch": ("architecture", lambda model: _one(model.architecture)),
    "cap": (
        "capability",
        lambda model: None if model.capabilities is None else (*model.capabilities, *abilities(model).split()),
    ),
}
"""Key -> what it is called, and the model's texts of it; None where they are not known."""


def _one(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else (text,)


def _read_text(negated: bool, key: str, value: str) -> Condition | None:
    what, texts = _TEXTS[key]
    if not value:
        return None
    if value == "?":
        return Condition(lambda row: texts(row.model) is None, negated)
    return Condition(
        lambda row: any(text.casefold().startswith(value) for text in texts(row.model) or ()),
        negated,
        f"no model has the {what} {_quoted(value)}",
    )


def _quoted(text: str) -> str:
    return f"“{truncate_middle(clean(text), 20)}”"


# ---------------------------------------------------------------------- amounts


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


_BYTES = {"": 1024.0**3, "k": 1024.0, "m": 1024.0**2, "g": 1024.0**3, "t": 1024.0**4}
_TOKENS = {"": 1.0, "k": 1024.0, "m": 1024.0**2}
_COUNTS = {"": 1e9, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}

_AMOUNTS: dict[str, tuple[Number, dict[str, float], str]] = {
    "size": (lambda row: _float(row.model.size_bytes), _BYTES, "size takes <8G, >=500M or 4.7"),
    "params": (lambda row: row.parameters, _COUNTS, "params takes <10B, >=135M or 7"),
    "context": (lambda row: _float(row.model.context_length), _TOKENS, "context takes >=32k, <8192 or 128k"),
}
"""Key -> the row's number, units (without one: that of the column), and how its values are written."""

_AMOUNT = re.compile(r"(<=|>=|<|>|=|)\s*([0-9]{1,15}(?:\.[0-9]{0,15})?)\s*([a-z]?)(?:i?b)?")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _read_amount(negated: bool, key: str, value: str) -> Condition | str:
    number, units, usage = _AMOUNTS[key]
    if value == "?":
        return Condition(lambda row: number(row) is None, negated)
    found = _AMOUNT.fullmatch(value)
    if found is None or found[3] not in units:
        return usage
    unit = units[found[3]]
    amount = float(found[2]) * unit
    compare = _COMPARE.get(found[1])
    if compare is not None:
        return Condition(lambda row: _known(number(row), lambda known: compare(known, amount)), negated)
    # Equal is what has the digits that were given: 4.7 is 4.65 to 4.75.
    half = 0.5 * 10.0 ** -len(found[2].partition(".")[2]) * unit
    return Condition(lambda row: _known(number(row), lambda known: abs(known - amount) <= half), negated)


def _known(number: float | None, holds: Callable[[float], bool]) -> bool:
    return number is not None and holds(number)


# ---------------------------------------------------------------------- states

_STATES: dict[str, dict[str, Callable[[ModelInfo], bool]]] = {
    "loaded": {
        "yes": lambda model: model.loaded is True,
        "no": lambda model: model.loaded is False,
        "?": lambda model: model.loaded is None,
    },
    "used": {
        "yes": lambda model: model.last_used is not None,
        "no": lambda model: model.last_used is None,
    },
    "is": {
        "active": lambda model: model.active,
        "base": lambda model: model.has_chat_template is False,
        "broken": lambda model: bool(model.error),
        "demo": lambda model: model.demonstration,
        "files": lambda model: not model.runtime,
        "loaded": lambda model: model.loaded is True,
        "remote": lambda model: model.remote_host is not None,
        "usable": lambda model: not model.error and bool(model.runtime),
    },
}


def _read_state(negated: bool, key: str, value: str) -> Condition | str | None:
    states = _STATES[key]
    meant = [holds for name, holds in states.items() if value and name.startswith(value)]
    if meant:
        return Condition(lambda row: any(holds(row.model) for holds in meant), negated)
    names = [name for name in states if name != "?"]
    return f"{key} takes {', '.join(names[:-1])} or {names[-1]}"


# ---------------------------------------------------------------------- whether it fits

_FITS: dict[str, Verdict] = {
    "fits": Verdict.FITS,
    "evicts": Verdict.FITS_AFTER_EVICTION,
    "partly": Verdict.PARTLY_ON_CPU,
    "large": Verdict.DOES_NOT_FIT,
    "unknown": Verdict.UNKNOWN,
    "?": Verdict.UNKNOWN,
}
"""Value -> verdict; a model that was not judged yet is unknown."""


def _read_fit(negated: bool, value: str) -> Condition | str:
    meant = {verdict for name, verdict in _FITS.items() if value and name.startswith(value)}
    if not meant:
        return "fit takes fits, evicts, partly, large or unknown"

    def holds(row: Row) -> bool:
        return (Verdict.UNKNOWN if row.fit is None else row.fit.verdict) in meant

    return Condition(holds, negated, by_fit=True)
