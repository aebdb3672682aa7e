"""Random processes are killed while everything is synced: the books equal the truth to the cent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from tests import tables
from tests.harbor import SOURCES
from tests.kill.conftest import ORDERS
from tests.processes import Installation, answers, descendants, free_port, is_alive, wait_until, words

pytestmark = pytest.mark.kill
SEED, MANY_ORDERS = 7, 300
KILLING_SECONDS = 60
# Time passes that much faster for leases and retries, so that minutes of waiting fit into the test.
FACTOR = "40"
SAME = ("balances", "records", "documents", "entries", "unbalanced", "quarantine", "incidents")


@pytest.fixture
def business(tmp_path: Path) -> Iterator[str]:
    """The sandbox with several hundred orders."""
    keeper = Installation(tmp_path / "sandbox", port=free_port())
    keeper.home.mkdir()
    keeper.start("manage.py", "sandbox", "--port", str(keeper.port), "--orders", str(MANY_ORDERS))
    try:
        wait_until(lambda: answers(keeper.port), seconds=30, what="the sandbox answers")
        yield f"http://127.0.0.1:{keeper.port}"
    finally:
        keeper.end()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Installation]:
    """A second installation, in which nothing is killed."""
    (home := tmp_path / "other").mkdir()
    with tables.installation(home) as made:
        yield made


def kill_one(supervisor: subprocess.Popen[bytes], dice: random.Random) -> None:
    """SIGKILL to a process below the supervisor, most often one of the jobs, or to all of its group."""
    victims = descendants(supervisor.pid)
    workers = [pid for pid in victims if "manage.py jobs" in words(pid)]
    if not victims:
        return
    pid = dice.choice(workers if workers and dice.random() < 0.8 else victims)
    try:
        if dice.random() < 0.2:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def calls(installation: Installation) -> int:
    """How many calls to the sandbox the log tells of: a sync is under way."""
    return installation.log.read_bytes().count(b"INFO integrations.client call")


def disturb(
    installation: Installation, supervisor: subprocess.Popen[bytes], *, kills: int
) -> subprocess.Popen[bytes]:
    """Kill in the midst of syncing, the supervisor itself once; gives the one that runs afterwards."""
    dice = random.Random(SEED)
    end = time.monotonic() + KILLING_SECONDS
    for kill in range(kills):
        seen, patience = calls(installation), min(time.monotonic() + 15, end)
        while calls(installation) == seen and time.monotonic() < patience:
            time.sleep(0.02)
        time.sleep(dice.uniform(0.0, 0.5))
        if kill == kills // 2:
            supervisor.kill()
            supervisor.wait()
            supervisor = installation.supervise()
        else:
            kill_one(supervisor, dice)
    return supervisor


def ask(installation: Installation, function: str, *arguments: str) -> dict[str, object]:
    answer: dict[str, object] = installation.ask("tests.kill.inside", f"tests.kill.{function}", *arguments)
    return answer


def is_done(installation: Installation) -> bool:
    left = ask(installation, "scene.progress")
    return (left["open runs"], left["open events"]) == (0, 0)


def check(installation: Installation, other: Installation, address: str, *, orders: int, kills: int) -> None:
    """Sync under kills in the one installation, undisturbed in the other; compare, also with the truth."""
    ask(installation, "scene.connect", address, *SOURCES)
    supervisor = installation.supervise()
    hurry = installation.start("-m", "tests.kill.inside", "tests.kill.scene.hasten", "150", FACTOR)
    supervisor = disturb(installation, supervisor, kills=kills)
    wait_until(lambda: is_done(installation), seconds=75, what="everything finishes by itself")
    hurry.terminate()
    wait_until(lambda: answers(installation.port), seconds=40, what="the web server is back")
    everything = descendants(supervisor.pid)
    supervisor.terminate()
    assert supervisor.wait(40) == 0
    assert [words(pid) for pid in everything if is_alive(pid)] == []
    state = ask(installation, "scene.state")
    expected = ask(other, "works.undisturbed", address, *SOURCES)
    business = simulate(7, orders=orders)
    assert state["balances"] == truth.balances(business, clock=business.clock, systems=SOURCES)
    assert {name: state[name] for name in SAME} == {name: expected[name] for name in SAME}
    assert {how for _, how, _ in state["runs"]} == {"succeeded"}  # type: ignore[attr-defined]


def test_nothing_is_lost_and_nothing_doubled(
    installation: Installation, other: Installation, business: str
) -> None:
    check(installation, other, business, orders=MANY_ORDERS, kills=10)


def test_on_postgres(on_postgres: Installation, other: Installation, sandbox: str) -> None:
    check(on_postgres, other, sandbox, orders=ORDERS, kills=5)
