"""Private installations for tests with real processes: own folder, own database, own ports, all ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEY = "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(is_true: Callable[[], object], *, seconds: float, what: str) -> None:
    """Look twenty times a second; raises AssertionError saying `what` did not come true."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def parents() -> dict[int, int]:
    """Living process -> its parent."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and is_alive(int(folder.name)):
            try:
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    return found


def descendants(pid: int) -> list[int]:
    """Processes below `pid`, parents before their children."""
    below, known = [pid], parents()
    for parent in below:
        below += [child for child, of in sorted(known.items()) if of == parent]
    return below[1:]


def words(pid: int) -> str:
    """The command line of a process, empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


@dataclass
class Installation:
    """A LedgerHub of its own below `home`; commands run in it and processes started in it are ours."""

    home: Path
    database_url: str = ""
    port: int = field(default_factory=free_port)
    extra: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        mine = {
            "DJANGO_SETTINGS_MODULE": "tests.kill.settings",
            "LEDGERHUB_ENV_FILE": os.devnull,
            "SECRET_KEY": "for the tests only, nothing is guarded by it 0123456789",
            "ENCRYPTION_KEYS": KEY,
            "VAR_DIR": str(self.home),
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "DEBUG": "true",
            "LEDGERHUB_DEMO": "false",
            "ALLOW_LOOPBACK_INTEGRATIONS": "true",
            "REQUIRE_MFA": "false",
            "EMAIL_URL": "dummymail://",
            "PYTHONPATH": str(ROOT),
        }
        if self.database_url:
            mine["DATABASE_URL"] = self.database_url
        kept = {
            name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")
        }
        return {**kept, **mine, **self.extra}

    @property
    def log(self) -> Path:
        return self.home / "log.txt"

    def prepare(self) -> None:
        """The tables of an empty installation."""
        self.run("manage.py", "migrate", "--verbosity", "0", seconds=600)
        self.run("manage.py", "createcachetable")

    def run(self, *arguments: str, seconds: float = 120) -> str:
        """Run `python <arguments>` to its end; gives what it printed. Raises AssertionError."""
        done = self.attempt(*arguments, seconds=seconds)
        assert done.returncode == 0, f"{arguments}: code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def attempt(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def ask(self, module: str, *arguments: str, seconds: float = 120) -> Any:
        """Run a module that prints JSON; gives that."""
        return json.loads(self.run("-m", module, *arguments, seconds=seconds))

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `python <arguments>` as a session of its own, its words going to `log`."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def supervise(self, *arguments: str) -> subprocess.Popen[bytes]:
        bind = f"127.0.0.1:{self.port}"
        return self.start("manage.py", "supervise", "--bind", bind, *arguments)

    def end(self) -> None:
        """End all that was started, and what those started, also where its parent was killed."""
        below = [pid for process in self.started for pid in descendants(process.pid)]
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for pid in {*self.processes(), *(pid for pid in below if str(ROOT) in words(pid))}:
            _kill(pid)

    def processes(self) -> list[int]:
        """What runs in this installation, whoever its parent is: its folder stands in the environment."""
        mine = f"VAR_DIR={self.home}".encode()
        return [pid for pid in parents() if pid != os.getpid() and mine in _environ(pid)]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
