"""The port of a server that names none is chosen once, by whoever comes first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from venom_tui.core.runtimes.ports import choose_again, chosen_url, folder_of


def test_the_first_chooses_for_all(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(lambda _: chosen_url(tmp_path, "box"), range(32)))
    assert len(urls) == 1
    assert urls.pop().startswith("http://127.0.0.1:")
    assert {path.name for path in folder_of(tmp_path).iterdir()} == {"box.port", "ports.lock"}
    assert chosen_url(tmp_path, "other") != chosen_url(tmp_path, "box")
    before = chosen_url(tmp_path, "box")
    assert choose_again(tmp_path, "box") == chosen_url(tmp_path, "box") != before


@pytest.mark.parametrize("spoilt", ["", "x", "80", "99999999", "-1"])
def test_what_is_no_port_is_chosen_anew(tmp_path: Path, spoilt: str) -> None:
    folder_of(tmp_path).mkdir()
    path = folder_of(tmp_path) / "box.port"
    path.write_text(spoilt)
    url = chosen_url(tmp_path, "box")
    assert int(url.rpartition(":")[2]) >= 1024
    assert chosen_url(tmp_path, "box") == url


def test_read_only_writes_nothing(tmp_path: Path) -> None:
    assert chosen_url(tmp_path / "data", "box", read_only=True)
    assert not (tmp_path / "data").exists()
