"""Reading headers: what is told of a model, and that a broken file is an error and nothing worse."""

from __future__ import annotations

import struct
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gguf_files import ARRAY, CHAT, STRING, UINT32, Writer
from venom_tui.core.models.gguf import GgufError, GgufHeader, read_header

WHOLE = Writer().header(CHAT)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gguf") / "model.gguf"


def read(place: Path, data: bytes) -> GgufHeader:
    place.write_bytes(data)
    return read_header(place)


@pytest.mark.parametrize(("version", "order"), [(1, "<"), (2, "<"), (3, "<"), (2, ">"), (3, ">")])
def test_what_a_header_tells(place: Path, version: int, order: str) -> None:
    found = read(place, Writer(version, order).header(CHAT))
    assert found == GgufHeader(
        version=version,
        architecture="llama",
        name="Tiny",
        parameters=384,
        quantization="Q4_K_M",
        context_length=2048,
        has_chat_template=True,
        kind="model",
        split_count=1,
        split_number=0,
    )


def test_the_real_model(demonstration_model: Path) -> None:
    found = read_header(demonstration_model)
    assert (found.architecture, found.parameter_size, found.context_length) == ("llama", "135M", 8192)
    assert found.has_chat_template
    assert found.kind == "model"
    assert found.quantization is not None
    assert found.kv_bytes_per_token == 30 * 3 * (64 + 64) * 2


HEADS: dict[str, object] = {
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_token_of_context_takes(place: Path, order: str) -> None:
    assert read(place, Writer(3, order).header(CHAT | HEADS)).kv_bytes_per_token == 128 * 1024
    lists = {"llama.attention.head_count_kv": [8] * 32}
    found = read(place, Writer(3, order).header(CHAT | HEADS | lists | {"llama.context_length": 4096}))
    assert (found.kv_bytes_per_token, found.context_length) == (None, 4096), "another number for each layer"


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"tokenizer.chat_template": ""}, "has_chat_template", False),
        ({"general.architecture": "clip"}, "kind", "mmproj"),
        ({"general.type": "adapter"}, "kind", "adapter"),
        ({"general.file_type": 999}, "quantization", None),
        ({"general.file_type": 1024 + 7}, "quantization", "Q8_0"),
        ({"general.file_type": "Q8_0"}, "quantization", None),
        ({"llama.context_length": 0}, "context_length", None),
        ({"llama.context_length": "long"}, "context_length", None),
        ({"llama.context_length": True}, "context_length", None),
        ({"general.name": "a\x1b[31mb\nc"}, "name", "ab c"),
        ({"general.name": b"\xff\xfeok"}, "name", "��ok"),
        ({"general.name": ["a", "b"]}, "name", None),
        ({"general.name": [["a"], ["b"]]}, "name", None),
        ({"split.count": 3, "split.no": 2}, "split_count", 3),
        ({"split.count": -1}, "split_count", 1),
    ],
)
def test_odd_values(place: Path, changes: dict[str, object], field: str, expected: object) -> None:
    assert getattr(read(place, Writer().header(CHAT | changes)), field) == expected


@pytest.mark.parametrize(
    ("shape", "size"),
    [((999,), "1K"), ((1000, 999), "999K"), ((1000, 135_400), "135M"), ((1000, 8_030_000), "8.0B")],
)
def test_the_number_of_parameters(place: Path, shape: tuple[int, ...], size: str) -> None:
    assert read(place, Writer().header(CHAT, [("t", shape)])).parameter_size == size


def test_an_absurd_number_of_parameters_is_unknown(place: Path) -> None:
    found = read(place, Writer().header(CHAT, [("t", [2**63] * 8)]))
    assert found.parameters is None
    assert found.parameter_size is None


def test_a_file_that_is_cut_anywhere_is_an_error(place: Path) -> None:
    for cut in range(len(WHOLE)):
        with pytest.raises(GgufError):
            read(place, WHOLE[:cut])


def claims(*parts: bytes, pairs: int = 1, tensors: int = 0) -> bytes:
    return Writer().beginning(pairs, tensors) + b"".join(parts)


W = Writer()
KEY = W.string("tokenizer.ggml.tokens")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "ends in the middle"),
        (b"PK\x03\x04" + b"\0" * 100, "no GGUF file"),
        (b"GGUF" + struct.pack("<I", 77) + b"\0" * 100, "format version is 77"),
        (b"GGUF" + b"\0" * 100, "format version is 0"),
        (claims(pairs=2**40), "1,099,511,627,776 keys"),
        (claims(tensors=2**40), "1,099,511,627,776 tensors"),
        (claims(W.length(2**62)), "a text of 4,611,686,018,427,387,904 bytes"),
        (claims(W.length(2**21), b"a"), "ends in the middle"),
        (claims(W.string("key"), W.number("I", 99)), "the unknown type 99"),
        (claims(KEY, W.number("I", ARRAY), W.number("I", UINT32), W.length(2**62)), "larger than any model's"),
        (claims(KEY, W.number("I", ARRAY), W.number("I", UINT32), W.length(2**20)), "ends in the middle"),
        (claims(KEY, W.number("I", ARRAY), W.number("I", STRING), W.length(2**62)), "texts"),
        (claims(KEY, W.number("I", ARRAY), W.number("I", 99), W.length(3)), "the unknown type 99"),
        (claims(KEY, W.number("I", ARRAY), (W.number("I", ARRAY) + W.length(1)) * 50), "nested too deeply"),
        (claims(W.string("t"), W.number("I", 2**31), pairs=0, tensors=1), "dimensions"),
        (claims(W.length(2**60), pairs=0, tensors=1), "larger than any model's"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_broken_header_is_told_as(place: Path, data: bytes, sentence: str) -> None:
    with pytest.raises(GgufError, match=sentence):
        read(place, data)


def test_a_hostile_header_costs_little(place: Path) -> None:
    """What nobody asked for is passed over, not kept; lists without an end are given up early."""
    long = W.string("some.key") + W.value("x" * 4_000_000)
    place.write_bytes(claims(*[long] * 20, pairs=20))
    tracemalloc.start()
    try:
        read_header(place)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("kind", [STRING, ARRAY])
def test_an_array_of_millions_of_nothings_is_given_up(place: Path, kind: int) -> None:
    """A sparse file of zeros holds as many empty texts as one likes."""
    place.write_bytes(claims(KEY, W.number("I", ARRAY), W.number("I", kind), W.length(20_000_000)))
    with place.open("r+b") as file:
        file.truncate(250 * 1024 * 1024)
    with pytest.raises(GgufError, match="texts"):
        read_header(place)


@given(st.binary(max_size=300))
def test_garbage_is_an_error(place: Path, data: bytes) -> None:
    for beginning in (b"", b"GGUF\x03\0\0\0"):
        with suppress(GgufError):
            read(place, beginning + data)


@given(st.data())
def test_a_header_with_bytes_changed_is_read_or_an_error(place: Path, data: st.DataObject) -> None:
    changed = bytearray(WHOLE)
    for position in data.draw(st.lists(st.integers(0, len(WHOLE) - 1), min_size=1, max_size=6)):
        changed[position] = data.draw(st.integers(0, 255))
    with suppress(GgufError):
        found = read(place, bytes(changed))
        assert found.parameter_size is None or len(found.parameter_size) < 12
        assert found.name is None or "\x1b" not in found.name


keys = st.sampled_from(sorted(CHAT)) | st.text(max_size=12)
scalars = st.integers(-(2**31), 2**64 - 1) | st.booleans() | st.floats(width=32) | st.text(max_size=20)
values = scalars | st.lists(st.text(max_size=5), max_size=4) | st.lists(st.integers(0, 2**32 - 1), max_size=4)
shapes = st.lists(st.tuples(st.text(max_size=8), st.lists(st.integers(0, 2**40), max_size=4)), max_size=4)


@given(st.dictionaries(keys, values, max_size=8), shapes, st.sampled_from([2, 3]), st.sampled_from("<>"))
def test_any_well_formed_header_is_read(
    place: Path, pairs: dict[str, object], tensors: list[tuple[str, list[int]]], version: int, order: str
) -> None:
    found = read(place, Writer(version, order).header(pairs, tensors))
    assert found.version == version
    name = pairs.get("general.name")
    assert found.name is None or isinstance(name, str)
