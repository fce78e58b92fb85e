"""`guard --watch --json` over a whole day of one-second looks: it holds no more at its end than at its beginning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nvml import FakeDriver, gpu
from tests.tools import requires_tool

LOOKS = 86_400 if os.environ.get("VENOM_SOAK") else 600
MIB = 1024**2


@requires_tool("gcc")
@pytest.mark.timeout(3600 if os.environ.get("VENOM_SOAK") else 60)
def test_nothing_grows(tmp_path: Path, data_dir: Path, config_dir: Path) -> None:
    driver = FakeDriver(tmp_path / "driver")
    driver.says([gpu()])
    out = tmp_path / "held.json"
    command = [sys.executable, "-m", "tests.core.resources.day", str(LOOKS), str(tmp_path / "driver"), str(out)]
    folders = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir)}
    count, kinds = 0, set()
    with subprocess.Popen(
        command, env=os.environ | driver.environ | folders, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:  # half a gigabyte for a whole day
            count += 1
            if count < 1500:
                kinds.add(len(json.loads(line)["gpus"]))
        assert process.wait(60) == 0, process.stderr.read().decode()
    assert (count, kinds) == (LOOKS, {0, 1, 4}), "before the first line, with a driver, and without"
    notes = json.loads(out.read_text(encoding="utf-8"))
    first, last = notes[1], notes[-1]  # the first tenth fills what is kept for ten minutes
    assert last["descriptors"] <= first["descriptors"]
    assert last["threads"] <= first["threads"]
    assert last["objects"] < first["objects"] * 1.02
    assert last["resident"] - first["resident"] < 4 * MIB
