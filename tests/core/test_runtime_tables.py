"""The servers that config.toml names, and their keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from venom_tui.core.errors import UsageError
from venom_tui.core.settings import RuntimeTable, key_of, load_settings, read_runtimes

KEY = "sk-s3cret"


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_what_may_be_named(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        offline = true
        [runtimes.box]
        url = "http://gpu-07:8000"
        kind = "vllm"
        key_env = "BOX_KEY"
        [runtimes."a-b_7"]
        url = "gpu"
        key_file = "~/.config/key"
        """.replace("offline", "venom_offline"),
    )
    assert read_runtimes(path) == (
        RuntimeTable("box", "http://gpu-07:8000", "vllm", key_env="BOX_KEY"),
        RuntimeTable("a-b_7", "gpu", key_file="~/.config/key"),
    )
    assert read_runtimes(tmp_path / "none.toml") == ()
    settings = load_settings(environ={"VENOM_CONFIG_DIR": str(tmp_path), "VENOM_DATA_DIR": str(tmp_path)})
    assert settings.flag("VENOM_OFFLINE"), "settings and tables share the file"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("runtimes = 5", "runtimes must be tables"),
        ("[runtimes]\nbox = 5", "[runtimes.box] must be a table"),
        ("[runtimes.box]", "[runtimes.box] has no url"),
        ('[runtimes.box]\nurl = ""', "[runtimes.box] has no url"),
        ("[runtimes.box]\nurl = 5", "[runtimes.box]: url must be text in quotes"),
        ('[runtimes.box]\nurl = "x"\nkind = "tgi"', "kind is 'tgi', but must be one of ollama, vllm, llamacpp, openai"),
        ('[runtimes.box]\nurl = "x"\nkey = "sk-s3cret"', "has 'key', which is not known"),
        ('[runtimes.box]\nurl = "x"\nkey_env = "A"\nkey_file = "B"', "has key_env and key_file"),
        ('[runtimes.Box]\nurl = "x"', "[runtimes.Box] is no name for a runtime"),
        ('[runtimes.embedded]\nurl = "x"', "[runtimes.embedded] is no name for a runtime"),
        ('[runtimes."a\\u001b[31m"]\nurl = "x"', "is no name for a runtime"),
        (f'[runtimes.{"x" * 41}]\nurl = "x"', "is no name for a runtime"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_runtimes(written(tmp_path, text))
    assert sentence in caught.value.message
    assert KEY not in caught.value.message + caught.value.hint
    assert "\x1b" not in caught.value.message


def test_a_key_of_the_environment() -> None:
    table = RuntimeTable("box", "x", key_env="BOX_KEY")
    assert key_of(table, {"BOX_KEY": f" {KEY}\n"}) == KEY
    assert key_of(table, {}) is None
    assert key_of(table, {"BOX_KEY": " "}) is None
    assert key_of(RuntimeTable("box", "x"), {"BOX_KEY": KEY}) is None
    for wrong in (f"{KEY} two", f"{KEY}\nX-Evil: 1", f"{KEY}é", f"{KEY}\x00", f"Bearer {KEY}"):
        with pytest.raises(UsageError, match="variable BOX_KEY holds no key") as caught:
            key_of(table, {"BOX_KEY": wrong})
        assert KEY not in repr(caught.value.as_dict())


def test_a_key_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    assert key_of(RuntimeTable("box", "x", key_file=str(path))) == KEY
    monkeypatch.setenv("HOME", str(tmp_path))
    assert key_of(RuntimeTable("box", "x", key_file="~/key")) == KEY
    for mode in (0o640, 0o604, 0o644, 0o660, 0o610):
        path.chmod(mode)
        with pytest.raises(UsageError, match="may be read by others, so it is not used") as caught:
            key_of(RuntimeTable("box", "x", key_file=str(path)))
        assert "chmod 600" in caught.value.hint
        assert KEY not in repr(caught.value.as_dict())
    path.chmod(0o400)
    assert key_of(RuntimeTable("box", "x", key_file=str(path))) == KEY


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "No such file"),
        (".", "Is a directory"),
        ("binary", "it is no text file"),
        ("a\0b", "it is no text file"),
        ("~nobody-of-that-name/key", "its home folder is not known"),
        ("~nobody-of-that-name\x1b[31m/key", "its home folder is not known"),
    ],
)
def test_a_file_that_holds_no_key(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "binary").chmod(0o600)
    given = name if name.startswith("~") else os.path.join(tmp_path, name)
    with pytest.raises(UsageError, match=reason) as caught:
        key_of(RuntimeTable("box", "x", key_file=given))
    assert "\x1b" not in caught.value.message


def test_a_file_with_more_than_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"BOX_KEY={KEY}\nOTHER={KEY}\n")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="holds no key") as caught:
        key_of(RuntimeTable("box", "x", key_file=str(path)))
    assert KEY not in repr(caught.value.as_dict())
