"""Where settings come from, which source wins, and what is said about a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venom_tui.core.errors import UsageError
from venom_tui.core.settings import (
    KEYS,
    Key,
    Settings,
    Source,
    load_settings,
    parse_value,
    read_config_file,
    read_env_file,
    unknown_names,
)

ORDER: tuple[Source, ...] = ("flag", "environment", "store", ".env", "config.toml")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    return folder


def load(config: Path, flags: dict[str, object] | None = None, **environ: str) -> Settings:
    return load_settings(
        flags, {"VENOM_CONFIG_DIR": str(config), "VENOM_DATA_DIR": str(config.parent / "data"), **environ}
    )


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_the_higher_source_wins(place: int) -> None:
    layers: dict[Source, dict[str, object]] = {
        source: {"VENOM_THREADS": number + 1} for number, source in enumerate(ORDER) if number >= place
    }
    found = Settings(layers).lookup("VENOM_THREADS")
    assert (found.value, found.source) == (place + 1, ORDER[place])


def test_without_any_source_the_default_counts() -> None:
    found = Settings().lookup("VENOM_CONTEXT")
    assert (found.value, found.source) == (8192, "default")


def test_every_place_is_read(config: Path) -> None:
    (config / "config.toml").write_text("venom_threads = 1\nvenom_context = 2048\nvenom_fps = 5\n")
    (config / ".env").write_text("VENOM_THREADS=2\nVENOM_CONTEXT=4096\n")
    settings = load(config, {"VENOM_READ_ONLY": True}, VENOM_THREADS="3")
    found = {item.key.name: (item.value, item.source) for item in settings.all() if item.source != "default"}
    assert found == {
        "VENOM_CONFIG_DIR": (str(config), "environment"),
        "VENOM_DATA_DIR": (str(config.parent / "data"), "environment"),
        "VENOM_READ_ONLY": (True, "flag"),
        "VENOM_THREADS": (3, "environment"),
        "VENOM_CONTEXT": (4096, ".env"),
        "VENOM_FPS": (5, "config.toml"),
    }


def test_what_the_program_changes_is_above_the_files_and_can_be_taken_back(config: Path) -> None:
    (config / "config.toml").write_text('venom_theme = "ansi"\n')
    settings = load(config)
    assert settings.lookup("VENOM_THEME").source == "config.toml"
    settings.load_stored({"VENOM_THEME": "venom-light", "VENOM_FPS": "many", "OF_ANOTHER_VERSION": "1"})
    assert settings.text("VENOM_THEME") == "venom-light"
    assert settings.lookup("VENOM_FPS").source == "default", "an unreadable stored value is passed over"
    settings.set_stored("VENOM_THEME", None)
    assert settings.lookup("VENOM_THEME").source == "config.toml"


def test_an_empty_variable_counts_as_not_set(config: Path) -> None:
    assert load(config, VENOM_THREADS="", VENOM_OFFLINE="").lookup("VENOM_THREADS").source == "default"


@pytest.mark.parametrize("name", ["VENOM_DATA_DIR", "VENOM_CONFIG_DIR"])
@pytest.mark.parametrize("file", [".env", "config.toml"])
def test_the_files_cannot_say_where_the_files_are(config: Path, name: str, file: str) -> None:
    (config / file).write_text(f"{name}=/tmp\n" if file == ".env" else f'{name.lower()} = "/tmp"\n')
    with pytest.raises(UsageError, match=f"{name} can only be set in the environment, not in {file}"):
        load(config)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "VENOM_THREADS",
            "many",
            "VENOM_THREADS is 'many' in the environment, but must be a whole number from 0 to 1024.",
        ),
        ("VENOM_THREADS", "2.5", "must be a whole number"),
        ("VENOM_THREADS", "-1", "must be a whole number from 0 to 1024"),
        ("VENOM_CONTEXT", "99999999", "from 0 to 10000000."),
        ("VENOM_LOAD_TIMEOUT_S", "nan", "must be a number from 1 to 86400"),
        ("VENOM_LOAD_TIMEOUT_S", "inf", "must be a number"),
        ("VENOM_OFFLINE", "perhaps", "must be true or false"),
        ("VENOM_THEME", "pink", "must be auto, venom-dark, venom-light or ansi"),
        ("AI_MODE", "CLOUD", "AI_MODE is 'CLOUD' in the environment, but must be LOCAL."),
        ("VENOM_THREADS", "\x1b]0;x\x07evil", "'evil'"),
    ],
)
def test_a_bad_value_is_one_sentence(config: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(config, None, **{name: text})
    assert sentence in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("TRUE", True),
        ("yes", True),
        ("On", True),
        ("0", False),
        ("false", False),
        ("no", False),
        ("off", False),
    ],
)
def test_true_and_false(config: Path, text: str, value: bool) -> None:
    assert load(config, VENOM_OFFLINE=text).flag("VENOM_OFFLINE") is value


def test_a_choice_is_taken_in_any_case(config: Path) -> None:
    assert load(config, AI_MODE="local", VENOM_THEME="Venom-Light").text("VENOM_THEME") == "venom-light"


def test_a_secret_is_neither_listed_nor_repeated() -> None:
    key = Key("SOME_KEY", "secret", "", "", choices=("a", "b"))
    with pytest.raises(UsageError) as caught:
        parse_value(key, "hunter2")
    assert "hunter2" not in str(caught.value)


def test_paths_are_absolute_and_know_the_home(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load(config, VENOM_MODELS_DIR="~/gguf").models_dir == tmp_path / "gguf"
    assert load(config, VENOM_MODELS_DIR="gguf").models_dir == tmp_path / "gguf"
    assert load(config, VENOM_DATA_DIR="here").data_dir == tmp_path / "here"
    assert load(config).models_dir == config.parent / "data" / "models"
    with pytest.raises(UsageError, match="home folder"):
        load(config, VENOM_DATA_DIR="~nobody-of-this-name/x").data_dir  # noqa: B018 (a property that fails)


# ---------------------------------------------------------------------- .env


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("KEY=plain", "plain"),
        ("  KEY = spaced out  ", "spaced out"),
        ("export KEY=exported", "exported"),
        ("KEY=value # a comment", "value"),
        ("KEY=http://host/#fragment", "http://host/#fragment"),
        ('KEY="quoted # no comment"', "quoted # no comment"),
        ('KEY="quoted" # comment', "quoted"),
        (r'KEY="two\nlines \"said\" C:\\x \z"', 'two\nlines "said" C:\\x \\z'),
        (r"KEY='as \n it is'", r"as \n it is"),
        ("KEY=it's", "it's"),
        ("KEY='open", "'open"),
        ("KEY=a=b", "a=b"),
        ("KEY=first\nKEY=second", "second"),
        ("\ufeffKEY=after a mark", "after a mark"),
        ("KEY=windows\r", "windows"),
        ("KEY=", None),
        ('KEY=""', None),
        ("KEY=   # nothing", None),
        ("# KEY=commented", None),
        ("KEY", None),
        ("not a key=1", None),
    ],
)
def test_lines_of_an_env_file(tmp_path: Path, line: str, value: str | None) -> None:
    (tmp_path / ".env").write_bytes((line + "\n").encode())
    assert read_env_file(tmp_path / ".env").get("KEY") == value


def test_an_env_file_may_hold_what_others_need(config: Path) -> None:
    (config / ".env").write_text("DATABASE_URL=x\nVENOM_THREADS=2\n")
    assert load(config).int("VENOM_THREADS") == 2


@given(st.text())
def test_any_env_file_can_be_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.env"
    path.write_bytes(text.encode("utf-8", "replace"))
    assert all(name and value for name, value in read_env_file(path).items())


# ---------------------------------------------------------------------- config.toml


def test_without_files_there_is_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}
    assert read_config_file(tmp_path / "config.toml") == {}


def test_tables_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('venom_fps = 3\n[runtimes.box]\nendpoint = "http://x"\n[[peers]]\na = 1\n')
    assert read_config_file(path) == {"VENOM_FPS": 3}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("venom_thread = 1", "sets 'venom_thread', which is no setting"),
        ("VENOM_THREADS = 1", "sets 'VENOM_THREADS', which is no setting"),
        ("names = [1, 2]", "sets 'names', which is no setting"),
        ("venom_threads = [1]", "gives venom_threads more than one value"),
        ("venom_threads = ", "is not valid TOML"),
        ("[venom_threads]\na = 1", "gives venom_threads more than one value"),
    ],
)
def test_a_bad_config_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_config_file(path)
    assert sentence in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", [".env", "config.toml"])
def test_a_file_that_cannot_be_read_is_named(config: Path, name: str) -> None:
    (config / name).mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        load(config)
    (config / name).rmdir()
    (config / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(config)


def test_kinds_of_toml_are_taken(config: Path) -> None:
    (config / "config.toml").write_text(
        "venom_offline = true\nvenom_load_timeout_s = 2.5\nsimple_mode_system_prompt = ''\n"
    )
    settings = load(config)
    assert settings.flag("VENOM_OFFLINE") is True
    assert settings.float("VENOM_LOAD_TIMEOUT_S") == 2.5
    prompt = settings.lookup("SIMPLE_MODE_SYSTEM_PROMPT")
    assert (prompt.value, prompt.source) == ("", "config.toml")


def test_a_truth_is_no_number(config: Path) -> None:
    (config / "config.toml").write_text("venom_threads = true\n")
    with pytest.raises(UsageError, match="whole number"):
        load(config)


# ---------------------------------------------------------------------- the keys themselves


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_defaults_are_legal_values(key: Key) -> None:
    assert key.name == key.name.upper()
    assert key.meaning
    if key.default is not None:
        assert parse_value(key, key.default) == key.default


def test_names_that_look_like_ours_and_are_none() -> None:
    assert unknown_names(["VENOM_THREAD", "VENOM_THREADS", "HOME"]) == ["VENOM_THREAD"]
