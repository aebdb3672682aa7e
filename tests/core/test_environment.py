"""The environment file of a first start: whole, private, never replaced."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from ledgerhub.core import environment
from tests.processes import ROOT


def read(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if not line.startswith("#"))


def test_a_fresh_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert environment.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [".env"]
    values = read(path)
    drawn = {name: values.pop(name) for name in ("SECRET_KEY", "ENCRYPTION_KEYS")}
    assert (len(drawn["SECRET_KEY"]), len(drawn["ENCRYPTION_KEYS"])) == (64, len("k1:") + 44)
    assert values == {"LEDGERHUB_DEMO": "true", "DEBUG": "false", "LOG_LEVEL": "WARNING"}


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    assert not environment.write(path)
    assert path.read_text() == "SECRET_KEY=mine\n"


def test_two_files_share_no_key(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    environment.write(first)
    environment.write(second)
    for name in ("SECRET_KEY", "ENCRYPTION_KEYS"):
        assert read(first)[name] != read(second)[name]


def test_as_a_command(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    command = [sys.executable, "-m", "ledgerhub.core.environment", str(path)]
    said = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=True).stdout
        for _ in range(2)
    ]
    assert said == [f"Wrote {path}\n", f"Using {path}\n"]
