from __future__ import annotations

import asyncio
import string
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venom_tui.core.store.search import match_expression
from venom_tui.core.types.session import Role

from .support import Store, ended, open_store

_SYNTAX = [
    *('"', "'", "*", "^", "NEAR(", ")", "AND", "OR", "NOT", ":", "-", "+", "{", "}", "content:", "%", "_", "\\"),
    *("a", "ü", "日本", "\x00", "\ud800"),
]


async def seqs(store: Store, text: str, **options: int) -> list[int]:
    return [hit.seq for hit in await store.sessions.search(text, **options)]


@pytest.fixture
async def filled(store: Store) -> Store:
    session = await store.sessions.create(title="Birds of the south")
    await store.say(
        session.id,
        "Where does the Cassowary live?",
        "The cassowary lives in Australia. Its café is called “Zur Straße”.",
        "and foo_bar, foo-baz: C++?",
        "日本語のテキスト検索は難しい。Use kanji, or हिन्दी.",
    )
    return store


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cassowary", [2, 1]),
        ("CASSO", [2, 1]),
        ("cassowary australia", [2]),
        ("live cassow", [1]),
        ("live", [2, 1]),
        ("live ", [1]),
        ("live?", [1]),
        ("cafe", [2]),
        ("foo_bar", [3]),
        ("foo-ba", [3]),
        ("c++", [3]),
        ("テキスト", [4]),
        ("検索 日本", [4]),
        ("検索 カ", []),
        ("हिन्दी", [4]),
        ("kanji テキスト", [4]),
        ("nothing at all", []),
        ("owary", []),
        ("", []),
        ("  ", []),
        ('"', []),
        ("?!", []),
        ("cassowary AND australia", []),
        ("NOT live", []),
        ("content:cassowary", []),
        ("100%", []),
    ],
)
async def test_search(filled: Store, text: str, found: list[int]) -> None:
    assert await seqs(filled, text) == found


async def test_a_hit_tells_where_it_is(filled: Store) -> None:
    (hit,) = await filled.sessions.search("cassowary austr")
    assert (hit.session_title, hit.role, hit.seq) == ("Birds of the south", Role.ASSISTANT, 2)
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["cassowary", "Australia"]
    (hit,) = await filled.sessions.search("テキスト KANJI")
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["テキスト", "kanji"]


async def test_a_hit_far_inside_a_long_text(store: Store) -> None:
    session = await store.sessions.create()
    await store.say(session.id, "blah " * 500 + "needle " + "blah " * 500, "あ" * 900 + "針" + "い" * 900)
    for text in ("needle", "針"):
        (hit,) = await store.sessions.search(text)
        assert len(hit.snippet) < 300
        assert [hit.snippet[start:end] for start, end in hit.matches] == [text]
        assert hit.snippet.startswith("…")
        assert hit.snippet.endswith("…")


async def test_titles_are_found_once(filled: Store) -> None:
    (hit,) = await filled.sessions.search("south")
    assert (hit.seq, hit.snippet) == (1, "Birds of the south")
    assert [hit.snippet[start:end] for start, end in hit.matches] == ["south"]
    await filled.sessions.rename(hit.session_id, "Cassowaries")
    assert await seqs(filled, "south") == []
    assert await seqs(filled, "cassow") == [2, 1]
    await filled.sessions.create(title="south, and empty")
    assert await seqs(filled, "south") == []


async def test_newest_first_and_limited(store: Store) -> None:
    session = await store.sessions.create()
    await store.say(session.id, *(f"word {number}" for number in range(1, 21)))
    assert await seqs(store, "word", limit=3) == [20, 19, 18]
    assert await seqs(store, "word", limit=0) == []
    assert len(await seqs(store, "word")) == 20


async def test_an_answer_is_found_when_it_has_ended(store: Store) -> None:
    session = await store.sessions.create()
    _, answer = await store.sessions.begin_turn(session.id, "prompt", request_id="r")
    store.sessions.partial(ended(answer, "quagga", answer.state))
    await store.sessions.flush()
    assert await seqs(store, "quagga") == []
    await store.sessions.finish(ended(answer, "quagga and zebra"), None)
    assert await seqs(store, "quagga") == [2]


def test_every_word_is_quoted() -> None:
    assert match_expression('a "b" OR NEAR(c d*) -e:f') == '"a" "b" "OR" "NEAR(c" "d*)" "-e:f"*'
    assert match_expression("done.") == '"done."'


Ask = Callable[[str, str], list[str]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Ask the one store of all cases for a text after a prompt was said in a new session; return the prompts found."""
    with asyncio.Runner() as runner:
        opened = open_store(tmp_path_factory.mktemp("search") / "data")
        store = runner.run(opened.__aenter__())

        async def search(text: str, said: str) -> list[str]:
            session = await store.sessions.create()
            if said:
                await store.sessions.add_program_message(session.id, said)
            hits = await store.sessions.search(text)
            await store.sessions.delete(session.id)
            return [hit.session_id for hit in hits if hit.session_id == session.id]

        yield lambda text, said: runner.run(search(text, said))
        runner.run(opened.__aexit__(None, None, None))


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(_SYNTAX), max_size=12).map(" ".join),
        st.lists(st.sampled_from(_SYNTAX), max_size=12).map("".join),
    )
)
def test_no_text_is_syntax(ask: Ask, text: str) -> None:
    assert ask(text, "") == []


_WORD = st.text(string.ascii_letters + string.digits + "äöéßñКир", min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(words=st.lists(_WORD, min_size=1, max_size=6))
def test_what_was_said_is_found(ask: Ask, words: list[str]) -> None:
    """Every message is found by all its words in any order, and by the beginning of its last one."""
    for text in (" ".join(words), " ".join(reversed(words)), " ".join([*words[:-1], words[-1][:1]])):
        assert ask(text, " ".join(words))
