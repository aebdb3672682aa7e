"""Stages of the tests run two at a time; what failed stands whole at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import stages

# Each of the two waits for what only the other one makes.
MAKEFILE = """
good:
	@echo fine
bad:
	@echo one; echo two >&2; exit 3
slow:
	@sleep 0.5; echo done
this:
	@touch this.begun; while [ ! -e that.begun ]; do sleep 0.01; done
that:
	@touch that.begun; while [ ! -e this.begun ]; do sleep 0.01; done
"""

Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    (tmp_path / "Makefile").write_text(MAKEFILE)

    def ran(*names: str) -> tuple[int, list[str]]:
        # As if by itself: the tests may be run by make, too, which then counts how deep it is.
        make = ("env", "-u", "MAKELEVEL", "-u", "MAKEFLAGS", *stages.MAKE, "-C", str(tmp_path))
        code = stages.main(names, make=make, kept=tmp_path / "kept")
        return code, capsys.readouterr().out.splitlines()

    return ran


def test_two_at_a_time(run: Run) -> None:
    code, said = run("this", "that")
    assert code == 0
    assert sorted(line for line in said if line.endswith("begins")) == ["that begins", "this begins"]


def test_one_that_passed_is_a_line(run: Run) -> None:
    assert run("good") == (0, ["good begins", "good passed after 0 s: fine"])


def test_after_a_failure_what_runs_ends_and_nothing_new_begins(run: Run) -> None:
    code, said = run("slow", "bad", "good")
    assert code == 1
    assert sorted(said[:2]) == ["bad begins", "slow begins"]
    assert said[2].startswith("bad failed after 0 s: make:")
    assert (said[3].startswith("slow passed"), said[4]) == (True, "good was not begun")
    assert said[5:10] == ["", "bad", "===", "one", "two"]
