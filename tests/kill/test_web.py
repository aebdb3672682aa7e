"""The web server is killed while people confirm matches: a match is confirmed whole or not at all."""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Sequence

import pytest

from tests.processes import Installation, answers, descendants, wait_until, words

pytestmark = pytest.mark.kill
TOKEN = "0123456789abcdefghijABCDEFGHIJ01"
# State, confirmed rows (line, invoice, the posting it caused), entries, settled documents, records of it.
UNTOUCHED = ["proposed", 0, 0, 0, 0, 0]
WHOLE = ["confirmed", 3, 1, 1, 1, 1]


def post(port: int, path: str, session: str) -> int:
    """The status of a form posted by somebody who is signed in; 0 where nobody answered."""
    headers = {
        "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
        "X-CSRFToken": TOKEN,
        "Content-Length": "0",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, headers=headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def confirm(installation: Installation, paths: Sequence[str], session: str, answered: dict[str, int]) -> None:
    for path in paths:
        answered[path] = post(installation.port, path, session)
        if not answered[path]:
            time.sleep(0.5)  # it comes up again, and on a busy machine is killed more than twice all the same


def kill_while(posting: Sequence[threading.Thread], supervisor: int) -> int:
    """SIGKILL to web processes, the master among them, while people post; how many were hit."""
    dice, hit = random.Random(11), 0
    while any(thread.is_alive() for thread in posting):
        time.sleep(dice.uniform(0.05, 0.5))
        web = [
            pid
            for pid in descendants(supervisor)
            if "gunicorn" in words(pid) and "guard.py" not in words(pid)
        ]
        if web:
            os.kill(dice.choice(web), signal.SIGKILL)
            hit += 1
    return hit


def test_confirmations_are_whole_or_not_at_all(installation: Installation) -> None:
    scene = installation.ask("tests.kill.inside", "tests.kill.works.pile", "40")
    paths, session = scene["paths"], scene["session"]
    assert len(paths) == 40
    supervisor = installation.supervise("--only", "web")
    wait_until(lambda: answers(installation.port), seconds=30, what="the web server answers")
    answered: dict[str, int] = {}
    people = [
        threading.Thread(target=confirm, args=(installation, paths[start::2], session, answered))
        for start in range(2)
    ]
    for person in people:
        person.start()
    assert kill_while(people, supervisor.pid) > 2
    left = installation.ask("tests.kill.inside", "tests.kill.works.decided")
    assert [row for row in left if row not in (UNTOUCHED, WHOLE)] == []
    told = [row for path, row in zip(paths, left, strict=True) if answered[path] == 302]
    assert told == [WHOLE] * len(told)

    wait_until(lambda: answers(installation.port), seconds=60, what="the web server is back")
    open_paths = [path for path, row in zip(paths, left, strict=True) if row == UNTOUCHED]
    assert [post(installation.port, path, session) for path in open_paths] == [302] * len(open_paths)
    assert installation.ask("tests.kill.inside", "tests.kill.works.decided") == [WHOLE] * 40
