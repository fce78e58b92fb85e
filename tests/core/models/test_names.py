"""Names of models: which are legal, who is asked for them, and that every file gets one that is legal."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.hostile import FORBIDDEN, hostile
from venom_tui.core.errors import UsageError
from venom_tui.core.models.names import (
    LONGEST,
    PROVIDERS,
    HubName,
    OllamaName,
    Provider,
    check_name,
    hub_name,
    name_of_file,
    normalized,
    ollama_name,
    provider_of,
)


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


# ---------------------------------------------------------------------- Ollama


@pytest.mark.parametrize(
    ("name", "parts", "short"),
    [
        ("llama3", ("registry.ollama.ai", "library", "llama3", "latest"), "llama3:latest"),
        ("qwen3:14b", ("registry.ollama.ai", "library", "qwen3", "14b"), "qwen3:14b"),
        ("library/qwen3:14b", ("registry.ollama.ai", "library", "qwen3", "14b"), "qwen3:14b"),
        ("mine/Smol.2:V1.5", ("registry.ollama.ai", "mine", "Smol.2", "V1.5"), "mine/Smol.2:V1.5"),
        ("hf.co/org/Repo-GGUF:Q4_K_M", ("hf.co", "org", "Repo-GGUF", "Q4_K_M"), "hf.co/org/Repo-GGUF:Q4_K_M"),
        ("127.0.0.1:5011/library/small", ("127.0.0.1:5011", "library", "small", "latest"), None),
        ("Registry.Ollama.ai/Library/x", ("Registry.Ollama.ai", "Library", "x", "latest"), "x:latest"),
        ("_a/_b:_c", ("registry.ollama.ai", "_a", "_b", "_c"), "_a/_b:_c"),
        ("m" * 80 + ":" + "t" * 80, ("registry.ollama.ai", "library", "m" * 80, "t" * 80), None),
    ],
)
def test_ollama_names(name: str, parts: tuple[str, ...], short: str | None) -> None:
    found = ollama_name(name)
    assert found == OllamaName(*parts)
    assert short in (None, found.short)
    assert ollama_name(found.short).key == ollama_name(found.full).key == ollama_name(name.upper()).key


ILLEGAL = ("", " ", "..", "../etc", "a/../b", "-flag", "--help", "a\n", "a\x00", "a\x1b[0m", "a b", "a/", "/a", "a:",
           ":b", "a//b", "a\u202eb", "ä", "a\udc80", "a/b/c/d", "a?b", "a;b", "$(x)", "a\\b", "x" * 300)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [*ILLEGAL, "Org.Name/x", "hf.co/Org.Name/x", "a:b:c", "m" * 81, "a:" + "t" * 81, "n" * 81 + "/m", "a@b", ".a"],
)
def test_what_is_no_name_for_ollama(name: str) -> None:
    with pytest.raises(UsageError, match="no name for Ollama") as caught:
        ollama_name(name)
    assert not FORBIDDEN.search(caught.value.message + caught.value.hint)
    assert len(caught.value.message) < 160


def test_a_dot_in_a_namespace_is_named() -> None:
    with pytest.raises(UsageError, match="no dot in a namespace"):
        ollama_name("hf.co/Org.Name/repo")


# ---------------------------------------------------------------------- Hugging Face


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("org/repo", HubName("org/repo")),
        ("Org.Name/Repo-7B_x.1", HubName("Org.Name/Repo-7B_x.1")),
        ("hf.co/Org.Name/Repo-GGUF:Q4_K_M", HubName("Org.Name/Repo-GGUF", "Q4_K_M")),
        ("huggingface.co/org/repo", HubName("org/repo")),
        ("https://huggingface.co/org/repo", HubName("org/repo")),
        ("https://hf.co/org/repo/", HubName("org/repo")),
        ("https://huggingface.co/org/repo?library=x#usage", HubName("org/repo")),
        ("https://huggingface.co/org/repo/tree/main", HubName("org/repo")),
        ("https://huggingface.co/org/repo/tree/v1.0", HubName("org/repo", revision="v1.0")),
        ("https://huggingface.co/org/repo/blob/main/a/b-Q4_0.gguf", HubName("org/repo", file="a/b-Q4_0.gguf")),
        ("https://huggingface.co/org/repo/resolve/main/x%20y.gguf?download=true", HubName("org/repo", file="x y.gguf")),
    ],
)
def test_hub_names(name: str, found: HubName) -> None:
    assert hub_name(name) == found
    assert hub_name(str(found)) == HubName(found.repository, found.quantization)


@pytest.mark.parametrize(
    "name",
    [
        *ILLEGAL, "repo", "org/re..po", "org/re--po", "org/repo.git", "-org/repo", "org/repo-", ".org/repo",
        "org/repo:",        "org/" + "r" * 96, "https://huggingface.co/org", "https://huggingface.co/datasets/org/data",
        "https://huggingface.co/spaces/org/app", "https://evil.example/org/repo", "https://huggingface.co@evil.example/org/r",
        "https://[/org/repo", "https://huggingface.co/org/repo\n", "https://huggingface.co/org/repo/blob/main/../../x",
        "https://huggingface.co/org/repo/blob/main/%0ax", "ftp://huggingface.co/org/repo", "org/repo:Q4/x",
    ],
)  # fmt: skip
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(UsageError, match="no repository of Hugging Face") as caught:
        hub_name(name)
    assert not FORBIDDEN.search(caught.value.message + caught.value.hint)


# ---------------------------------------------------------------------- who is asked


@pytest.mark.parametrize(
    ("name", "with_ollama", "without"),
    [
        ("llama3.2", "ollama", "ollama"),
        ("user/model:tag", "huggingface", "huggingface"),
        ("org/repo", "huggingface", "huggingface"),
        ("hf.co/org/repo:Q4_K_M", "ollama", "huggingface"),
        ("hf.co/Org.Name/repo:Q4_K_M", "huggingface", "huggingface"),
        ("registry.local:5000/ns/model:tag", "ollama", "ollama"),
        ("localhost/ns/model", "ollama", "ollama"),
        ("https://huggingface.co/org/repo", "huggingface", "huggingface"),
        ("https://ollama.com/library/qwen3:14b", "ollama", "ollama"),
        ("model.GGUF", "local", "local"),
        ("https://[", "huggingface", "huggingface"),
    ],
)
def test_who_is_asked_for_a_name(name: str, with_ollama: Provider, without: Provider) -> None:
    assert provider_of(name, ollama=True) == with_ollama
    assert provider_of(name, ollama=False) == without


@pytest.mark.parametrize(
    ("name", "provider", "form"),
    [
        ("qwen3", "ollama", "qwen3:latest"),
        ("https://ollama.com/library/qwen3:14b", "ollama", "qwen3:14b"),
        ("https://ollama.com/user/model", "ollama", "user/model:latest"),
        ("https://huggingface.co/org/repo", "ollama", "hf.co/org/repo:latest"),
        ("huggingface.co/org/repo:Q8_0", "ollama", "hf.co/org/repo:Q8_0"),
        ("hf.co/org/repo:Q8_0", "huggingface", "org/repo:Q8_0"),
        ("https://hf.co/org/repo/tree/main", "huggingface", "org/repo"),
        ("tiny.gguf", "local", "tiny"),
        ("folder/Tiny Model", "local", "folder/Tiny Model"),
    ],
)
def test_the_one_form_of_a_name(name: str, provider: Provider, form: str) -> None:
    assert normalized(name, provider) == form
    assert normalized(form, provider) == form


part = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}", fullmatch=True)
dotted = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,30}(\.[A-Za-z0-9_-]{1,20}){0,2}", fullmatch=True)
host = st.from_regex(r"[a-z0-9]{1,20}\.[a-z]{2,6}(:[0-9]{2,5})?", fullmatch=True)


@given(st.one_of(st.none(), host), part, dotted, st.one_of(st.none(), dotted))
def test_what_the_grammar_of_ollama_makes_is_legal(at: str | None, namespace: str, model: str, tag: str | None) -> None:
    name = "/".join(filter(None, (at, namespace, model))) + (f":{tag}" if tag else "")
    found = ollama_name(name)
    assert (found.namespace, found.model, found.tag) == (namespace, model, tag or "latest")
    assert ollama_name(found.short) == found or at == "registry.ollama.ai" or namespace.lower() == "library"
    assert ollama_name(found.full) == found


anything = hostile | st.text(max_size=300) | st.from_regex(r"(https?://|hf\.co/|[a-z/:.@-]){0,4}[\w./:-]{0,40}\n?")


@given(anything, st.sampled_from(PROVIDERS), st.booleans())
@example("https://huggingface.co/org/repo\n", "huggingface", True)
@example("hf.co/a/b", "ollama", True)
@example("a\n", "local", False)
def test_any_text_is_refused_harmlessly_or_has_one_form(name: str, provider: Provider, ollama: bool) -> None:
    assert provider_of(name, ollama=ollama) in PROVIDERS
    refused, form = "", ""
    try:
        form = normalized(name, provider)
    except UsageError as error:
        refused = error.message + error.hint
    if refused:
        assert not FORBIDDEN.search(refused) and len(refused) < 400
    else:
        assert normalized(form, provider) == form
        assert ".." not in form and not FORBIDDEN.search(form) and not form.startswith("-") and form == form.strip()
