"""Names of models: which are legal, and that every file gets one that is."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from venom_tui.core.errors import UsageError
from venom_tui.core.models.names import LONGEST, check_name, name_of_file


@pytest.mark.parametrize(
    "name",
    [
        *("a", "7b", "qwen3:14b", "hf.co/org/Repo-GGUF:Q4_K_M", "registry.local:5000/ns/model:tag", "model@rev+build"),
        *("Some Model (2)", "Größe", "模型-7b", "a" * LONGEST, "name[1]"),
    ],
)
def test_legal_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "../etc/passwd", "a/../b", "/abs", "a//b", "a/", "-flag", "_x", ".hidden", " a", "a ", "a\nb"),
        *("a\x1b[31m", "a\u202eb", "a" * (LONGEST + 1), "a|b", "a;b", "$(x)", "a\0b", "%2e%2e", "a\udc80"),
    ],
)
def test_illegal_names(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert not FORBIDDEN.search(str(caught.value))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("qwen3-14b-Q4_K_M.gguf", "qwen3-14b-Q4_K_M"),
        ("Model.GGUF", "Model"),
        ("org/model.gguf", "org/model"),
        ("big-00001-of-00003.gguf", "big"),
        ("a\x1b[31mb\u202e.gguf", "ab"),
        ("what? me!.gguf", "what_ me_"),
        ("..gguf", "model"),
        ("....gguf", "model"),
        ("a..b.gguf", "a.b"),
        ("_(x).gguf", "x)"),
        ("(x).gguf", "x)"),
        ("__ x.gguf", "x"),
        ("💥.gguf", "model"),
        ("a/ /b.gguf", "a/b"),
        ("a/💥/b.gguf", "a/_/b"),
        ("a/.b.gguf", "a/.b"),
        ("x" * 300 + ".gguf", "x" * 255 + "_"),
    ],
)
def test_the_name_of_a_file(file: str, name: str) -> None:
    assert name_of_file(file) == name


parts = hostile | st.text(max_size=12) | st.text("._/ (-💥\x1b", max_size=8)


@given(st.lists(parts, min_size=1, max_size=4).map("/".join))
@example("_(")
@example("a/ /b")
@example(" " * 300 + "a" * 300)
@example("a" * 255 + " / b")
def test_every_file_gets_a_legal_name(file: str) -> None:
    assert check_name(name_of_file(file + ".gguf"))


@given(hostile | st.text(max_size=300))
def test_what_is_refused_is_told_harmlessly(name: str) -> None:
    told = name
    try:
        assert check_name(name) == name
    except UsageError as error:
        told = error.message + error.hint
    assert not FORBIDDEN.search(told)
