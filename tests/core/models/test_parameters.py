"""Generation parameters: ranges, which source wins, and what each runtime calls them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from venom_tui.core.errors import UsageError
from venom_tui.core.models.parameters import SCHEMA, merge_parameters, parse_parameter, wire_parameters
from venom_tui.core.types.request import GenerationParameters


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0", 0.0),
        ("temperature", "2", 2.0),
        ("top_p", "0.9", 0.9),
        ("top_k", "0", 0),
        ("top_k", "1000", 1000),
        ("min_p", "1", 1.0),
        ("repeat_penalty", "1.1", 1.1),
        ("max_tokens", "1", 1),
        ("seed", "4294967295", 2**32 - 1),
        ("stop", "END,###", ("END", "###")),
        ("stop", "", ()),
        ("stop", ",", ()),
    ],
)
def test_what_is_in_range(name: str, text: str, value: object) -> None:
    assert parse_parameter(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("temperature", text) for text in ("-0.1", "2.01", "nan", "inf", "-inf", "warm", "", "1e999")),
        *(("top_k", text) for text in ("1.5", "-1", "1001", "9" * 5000)),
        ("max_tokens", "0"),
        ("seed", "-1"),
        ("seed", "4294967296"),
    ],
)
def test_what_is_not_in_range_is_refused_with_the_range(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is .* but must be a .*number from \d+ to \d+") as caught:
        parse_parameter(name, text)
    assert len(caught.value.message) < 200


def test_a_context_is_at_most_what_the_model_was_trained_for() -> None:
    assert parse_parameter("context_length", "8192", 8192) == 8192
    assert parse_parameter("context_length", "9000000") == 9_000_000, "nothing is known of the model"
    assert parse_parameter("context_length", "64", 64) == 64
    with pytest.raises(UsageError, match=r"from 256 to 8192, which the model was trained for\.$"):
        parse_parameter("context_length", "9000000", 8192)
    with pytest.raises(UsageError, match=r"from 1 to 1000000\.$"):
        parse_parameter("max_tokens", "9000000", 8192)


def test_an_unknown_one_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no generation parameter") as caught:
        parse_parameter("colour", "red")
    assert all(parameter.name in caught.value.hint for parameter in SCHEMA)


@given(st.sampled_from([parameter.name for parameter in SCHEMA]) | hostile, hostile)
def test_a_refusal_is_harmless(name: str, text: str) -> None:
    told = ""
    try:
        parse_parameter(name, text)
    except UsageError as error:
        told = error.message + error.hint
    assert not FORBIDDEN.search(told)


def test_the_first_source_that_says_something_wins() -> None:
    request = GenerationParameters(temperature=0.0, stop=())
    saved = GenerationParameters(temperature=1.0, top_k=5, stop=("END",))
    default = GenerationParameters(top_k=9, seed=1)
    assert merge_parameters(request, saved, default) == GenerationParameters(temperature=0.0, top_k=5, seed=1, stop=())
    assert merge_parameters() == GenerationParameters()


ALL = GenerationParameters(
    temperature=0.5, top_p=0.9, top_k=40, min_p=0.05, repeat_penalty=1.1, max_tokens=100, seed=7, stop=("END",)
)
NAMES = {"temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "seed", "stop"}


@pytest.mark.parametrize(
    ("kind", "renamed", "dropped"),
    [
        ("embedded", {}, ()),
        ("llamacpp", {}, ()),
        ("vllm", {"repeat_penalty": "repetition_penalty"}, ()),
        ("ollama", {"max_tokens": "num_predict"}, ()),
        ("openai", {}, ("top_k", "min_p", "repeat_penalty")),
    ],
)
def test_the_names_on_the_wire(kind: str, renamed: dict[str, str], dropped: tuple[str, ...]) -> None:
    sent, left_out = wire_parameters(ALL, kind)
    assert left_out == dropped
    assert set(sent) == {renamed.get(name, name) for name in NAMES - set(dropped)}
    assert sent["stop"] == ["END"]
    assert sent[renamed.get("max_tokens", "max_tokens")] == 100


def test_what_is_not_set_is_not_sent() -> None:
    assert wire_parameters(GenerationParameters(), "embedded") == ({}, ())
    assert wire_parameters(GenerationParameters(temperature=0.0), "embedded") == ({"temperature": 0.0}, ())


def test_the_schema_has_every_parameter() -> None:
    assert [parameter.name for parameter in SCHEMA] == list(GenerationParameters.__slots__)
