from __future__ import annotations

from pathlib import Path

import pytest

from venom_tui.core.store.location import UseLock, network_file_system, put_aside

MOUNTS = """\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw
31 30 0:41 / /home/ann/local rw - xfs /dev/sdb1 rw
32 22 0:42 / /mnt/my\\040share rw - cifs //server/share rw
33 22 0:43 / /mnt/over rw - ext4 /dev/sdc1 rw
34 22 0:44 / /mnt/over rw - fuse.sshfs box: rw
35 22 0:45 / /srv/b\\134slash rw - lustre mgs:/fs rw
short line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/venom", None),
        ("/home/ann/.local/share/venom-tui", "nfs4"),
        ("/home/ann/local/venom", None),
        ("/homework", None),
        ("/mnt/my share/data", "cifs"),
        ("/mnt/over/data", "fuse.sshfs"),
        ("/srv/b\\slash/data", "lustre"),
    ],
)
def test_network_file_system(folder: str, kind: str | None) -> None:
    assert network_file_system(Path(folder), MOUNTS) == kind


def test_the_place_behind_a_link_counts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    mounts = f"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:4 / {tmp_path}/real rw - nfs server:/x rw\n"
    assert network_file_system(tmp_path / "link" / "data", mounts) == "nfs"


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    assert network_file_system(tmp_path) is None or isinstance(network_file_system(tmp_path), str)


def test_put_aside_takes_all_and_a_free_name(tmp_path: Path) -> None:
    path = tmp_path / "venom.db"
    (tmp_path / "venom.db.damaged-T").write_text("earlier")
    (tmp_path / "venom.db.damaged-T-1-wal").write_text("earlier")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_text(f"new{suffix}")
    assert put_aside(path, "T").name == "venom.db.damaged-T-2"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "venom.db.damaged-T": "earlier",
        "venom.db.damaged-T-1-wal": "earlier",
        "venom.db.damaged-T-2": "new",
        "venom.db.damaged-T-2-wal": "new-wal",
        "venom.db.damaged-T-2-shm": "new-shm",
    }


def test_use_lock(tmp_path: Path) -> None:
    first, second = UseLock(tmp_path / "venom.db"), UseLock(tmp_path / "venom.db")
    assert first.acquire()
    first.share()
    assert not second.acquire()
    assert not first.try_alone()
    first.share()
    second.release()
    second.release()
    assert first.try_alone()
    first.release()
