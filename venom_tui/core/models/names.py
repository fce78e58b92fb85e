"""Names of models: what is legal, what is meant, and who is asked for it; one place for the TUI, the shell and the API.

qwen3  qwen3:14b  user/model:tag  registry.local:5000/ns/model:tag      Ollama: [host/][namespace/]model[:tag]
hf.co/org/repo:Q4_K_M                                                   Hugging Face, which Ollama can fetch from too
org/repo  org/repo:Q4_K_M  https://huggingface.co/org/repo/…            Hugging Face
name.gguf  folder/name                                                  a GGUF file of the models folder
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

LONGEST = 256
Provider = Literal["ollama", "huggingface", "local"]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
"""Who can be asked for models by name."""

OLLAMA_HOST, OLLAMA_NAMESPACE, OLLAMA_TAG = "registry.ollama.ai", "library", "latest"
_HUB_HOSTS = ("hf.co", "huggingface.co", "www.huggingface.co")
_LIBRARY_HOSTS = ("ollama.com", "www.ollama.com", "ollama.ai")
_OTHER_KINDS = frozenset({"datasets", "spaces", "collections", "papers", "docs", "blog", "models", "api", "buckets"})

# Letters of any script, digits, and the signs that the field's names have: host:port/org.name/repo-1_x:tag@rev+build.
_LEGAL = re.compile(r"[^\W_][\w .:/@+()\[\]-]*", re.UNICODE)
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_NAMESPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,349}")
_HUB_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?")
_HUB_LONGEST = 96
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_HUB_PAGES = frozenset({"tree", "blob", "resolve", "raw", "commit", "discussions"})


@dataclass(frozen=True, slots=True)
class OllamaName:
    """A name as Ollama reads it, all parts filled in."""

    host: str
    namespace: str
    model: str
    tag: str

    @property
    def full(self) -> str:
        """All four parts."""
        return f"{self.host}/{self.namespace}/{self.model}:{self.tag}"

    @property
    def short(self) -> str:
        """The form that Ollama itself lists: without what is usual, and always with the tag."""
        name = f"{self.model}:{self.tag}"
        if self.host.lower() != OLLAMA_HOST:
            return f"{self.host}/{self.namespace}/{name}"
        return name if self.namespace.lower() == OLLAMA_NAMESPACE else f"{self.namespace}/{name}"

    @property
    def key(self) -> str:
        """What is equal for names of one model: Ollama does not tell case apart."""
        return self.full.lower()


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository of Hugging Face, or some of its files."""

    repository: str
    """`org/repo`."""
    quantization: str = ""
    file: str = ""
    """A path in the repository, from an address that names one."""
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.repository}:{self.quantization}" if self.quantization else self.repository


def check_name(name: str) -> str:
    """Return the name when it is one that some model may have.

    Raises:
        UsageError: it is empty, too long, begins with a sign, holds `..` or a control character.
    """
    shown = sanitize_line(name, 60)
    if not name:
        raise UsageError("The name of a model is empty.", hint="`venom-tui models list` shows the names.")
    if len(name) > LONGEST:
        raise UsageError(f"The name {shown!r} is longer than {LONGEST} characters.")
    if not _LEGAL.fullmatch(name) or ".." in name or name != name.strip() or "//" in name or name.endswith("/"):
        raise UsageError(
            f"{shown!r} is no name of a model.",
            hint="Names begin with a letter or digit and hold letters, digits, spaces and . _ - : / @ + ( ) [ ].",
        )
    return name


def ollama_name(name: str) -> OllamaName:
    """Return a name as Ollama reads it.

    Raises:
        UsageError: it is none.
    """
    rest, tag = _without_tag(name) if _is_plain(name) else ("", None)
    *before, model = rest.rsplit("/", 2)
    namespace = before[-1] if before else OLLAMA_NAMESPACE
    host = before[0] if len(before) == 2 else OLLAMA_HOST
    found = OllamaName(host, namespace, model, OLLAMA_TAG if tag is None else tag)
    if (
        not (_HOST.fullmatch(found.host) and _PART.fullmatch(found.model) and _PART.fullmatch(found.tag))
        or not _NAMESPACE.fullmatch(found.namespace)
        or ".." in name
    ):
        dotted = "." in namespace and len(before) == 2
        raise UsageError(
            f"{sanitize_line(name, 60)!r} is no name for Ollama{': it takes no dot in a namespace' if dotted else ''}.",
            hint="Names are [host/][namespace/]model[:tag], of letters, digits, - and _, in model and tag dots too.",
        )
    return found


def hub_name(name: str) -> HubName:
    """Return the repository that a name or a pasted address means.

    Raises:
        UsageError: it means none.
    """
    given, file, revision = name if _is_plain(name) else "", "", ""
    if _ADDRESS.match(given):
        given, file, revision = _of_hub_address(given)
    else:
        host, slash, rest = given.partition("/")
        given = rest if slash and host.lower() in _HUB_HOSTS else given
    repository, tag = _without_tag(given)
    parts = repository.split("/")
    if (
        len(parts) != 2
        or parts[0].lower() in _HUB_HOSTS
        or not all(_HUB_PART.fullmatch(part) and ".." not in part and "--" not in part for part in parts)
        or len(repository) > _HUB_LONGEST
        or parts[1].endswith(".git")
        or not (tag is None or _PART.fullmatch(tag))
    ):
        raise UsageError(
            f"{sanitize_line(name, 80)!r} is no repository of Hugging Face.",
            hint="Repositories are ORG/NAME; a quantization may follow, as in hf.co/ORG/NAME:Q4_K_M.",
        )
    return HubName(repository, tag or "", file, revision)


def _of_hub_address(address: str) -> tuple[str, str, str]:
    """Return name, file and revision of a page of the hub."""
    host, path = _parts_of(address)
    if host not in _HUB_HOSTS or len(path) < 2 or path[0] in _OTHER_KINDS:
        return "", "", ""
    file = revision = ""
    if len(path) > 3 and path[2] in _HUB_PAGES:
        revision, file = path[3], "/".join(path[4:])
    if file and (sanitize_line(file, 1000) != file or ".." in file.split("/")):
        return "", "", ""
    return "/".join(path[:2]), file, "" if revision == "main" else revision


def _parts_of(address: str) -> tuple[str, list[str]]:
    """Return host and path of an address."""
    try:
        parts = urlsplit(address)
        return (parts.hostname or "").lower(), [unquote(part) for part in parts.path.split("/") if part]
    except ValueError:
        return "", []


def _is_plain(name: str) -> bool:
    """Return whether a name is one line without control characters and without blanks around it."""
    return sanitize_line(name, len(name) + 1) == name


def _without_tag(name: str) -> tuple[str, str | None]:
    """Split the tag off; a colon begins one only after the last slash."""
    head, slash, last = name.rpartition("/")
    model, colon, tag = last.partition(":")
    return f"{head}{slash}{model}", tag if colon else None


def provider_of(name: str, *, ollama: bool) -> Provider:
    """Return who is to be asked for a name; `ollama`: whether an Ollama answers.

    A bare name goes to Ollama, and so does one with a registry's host; `hf.co/…` as well where Ollama answers and can
    take it; `org/repo` and addresses of the hub go to Hugging Face, `*.gguf` is a file of this machine.
    """
    if _ADDRESS.match(name):
        return "ollama" if _parts_of(name)[0] in _LIBRARY_HOSTS else "huggingface"
    host, slash, rest = name.partition("/")
    if slash and host.lower() in _HUB_HOSTS:
        return "ollama" if ollama and _is_ollama(name) else "huggingface"
    if name.lower().endswith(".gguf"):
        return "local"
    if rest.count("/") == 1 and ("." in host or ":" in host or host == "localhost"):
        return "ollama"
    return "huggingface" if slash else "ollama"


def _is_ollama(name: str) -> bool:
    try:
        ollama_name(name)
    except UsageError:
        return False
    return True


def normalized(name: str, provider: Provider) -> str:
    """Return a name in the one form in which its provider is asked for it.

    Raises:
        UsageError: it is no name of that provider.
    """
    if provider == "huggingface":
        return str(hub_name(name))
    if provider == "local":
        return check_name(re.sub(r"\.gguf\Z", "", name, flags=re.IGNORECASE))
    if _ADDRESS.match(name):
        host, path = _parts_of(name)
        if host in _LIBRARY_HOSTS and _is_plain(name):
            return ollama_name("/".join(path[:2])).short
        return ollama_name(f"hf.co/{hub_name(name)}").short
    host, slash, rest = name.partition("/")
    return ollama_name(f"hf.co/{rest}" if slash and host.lower() in _HUB_HOSTS else name).short


def name_of_file(relative: str) -> str:
    """Return the name under which a GGUF file is offered: its path in the models folder without suffix, made legal."""
    stem = re.sub(r"\.gguf\Z", "", relative, flags=re.IGNORECASE)
    stem = re.sub(r"-00001-of-\d{5}\Z", "", stem)
    cleaned = re.sub(r"[^\w .:/@+()\[\]-]+", "_", sanitize_line(stem, LONGEST), flags=re.UNICODE)
    cleaned = re.sub(r"\.{2,}", ".", cleaned)
    cleaned = "/".join(filter(None, (part.strip() for part in cleaned.split("/"))))
    cleaned = re.sub(r"\A[\W_]+", "", cleaned)
    return cleaned[:LONGEST].strip(" /") or "model"
