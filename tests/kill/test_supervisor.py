"""The whole product under its supervisor: it comes up, heals, refuses a second one, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from tests.processes import Installation, answers, descendants, is_alive, wait_until, words

pytestmark = pytest.mark.kill


def below(pid: int, word: str) -> list[int]:
    """Processes of the supervisor whose command has that word, guards left out, parents first."""
    return [child for child in descendants(pid) if word in words(child) and "guard.py" not in words(child)]


def works(installation: Installation, pid: int) -> bool:
    """The web server answers, and master, sentinel, two workers, monitor and pusher of the jobs are there."""
    return answers(installation.port) and len(below(pid, "manage.py jobs")) == 6


def healthy(installation: Installation, supervisor: int) -> None:
    wait_until(lambda: works(installation, supervisor), seconds=40, what=installation.log.read_text())


def wait_until_gone(pids: list[int]) -> None:
    wait_until(lambda: not any(map(is_alive, pids)), seconds=40, what="the cluster is replaced")


def test_it_comes_up_heals_and_stops(installation: Installation) -> None:
    supervisor = installation.supervise()
    healthy(installation, supervisor.pid)
    for place in (1, 2, 4):  # sentinel, idle worker, monitor: whichever dies, all are replaced
        before = below(supervisor.pid, "manage.py jobs")
        os.kill(before[place], signal.SIGKILL)
        wait_until_gone(before)
        healthy(installation, supervisor.pid)
    everything = descendants(supervisor.pid)
    os.killpg(supervisor.pid, signal.SIGINT)
    assert supervisor.wait(30) == 0
    assert [words(pid) for pid in everything if is_alive(pid)] == []
    assert not answers(installation.port)


def test_a_killed_supervisor_leaves_nothing_and_can_be_started_again(installation: Installation) -> None:
    first = installation.supervise()
    healthy(installation, first.pid)
    everything = descendants(first.pid)
    first.kill()
    first.wait()
    second = installation.supervise()
    healthy(installation, second.pid)
    assert [words(pid) for pid in everything if is_alive(pid)] == []


def test_a_cluster_that_hangs_is_replaced(installation: Installation) -> None:
    supervisor = installation.supervise("--late-after", "8")
    healthy(installation, supervisor.pid)
    before = below(supervisor.pid, "manage.py jobs")
    for pid in before[1:]:
        os.kill(pid, signal.SIGSTOP)
    wait_until_gone(before)
    healthy(installation, supervisor.pid)
    assert "jobs gave no sign of life for 8 s; restarting it" in installation.log.read_text()


def test_a_second_one_is_refused_in_words(installation: Installation) -> None:
    supervisor = installation.supervise()
    healthy(installation, supervisor.pid)
    refused = installation.attempt("manage.py", "supervise", "--bind", "127.0.0.1:1")
    assert (refused.returncode, refused.stderr) == (
        1,
        f"CommandError: LedgerHub runs already on this machine (process {supervisor.pid}). "
        f"Stop that first: Ctrl-C in its window, or `kill {supervisor.pid}`.\n",
    )
    assert works(installation, supervisor.pid)


def test_a_port_in_use_is_said_in_words(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = installation.attempt("manage.py", "supervise", "--bind", f"127.0.0.1:{port}")
    assert (refused.returncode, refused.stderr) == (
        1,
        f"CommandError: Port {port} is taken by another program. "
        "Stop that one, or choose another port: make run PORT=8080.\n",
    )


def test_a_database_without_tables_is_said_in_words(installation: Installation) -> None:
    installation.extra["DATABASE_URL"] = f"sqlite:///{installation.home / 'empty.sqlite3'}"
    refused = installation.attempt("manage.py", "supervise")
    assert (refused.returncode, refused.stderr) == (
        1,
        "CommandError: The database is not up to date. Run `manage.py migrate` first.\n",
    )
