"""The index of an account's open rows on disk: a cache, written by a full pass, that may be deleted."""

from __future__ import annotations

import datetime as dt
import json
import logging
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings

from ledgerhub.ledger.models import Account
from reconciliation.arrivals import Marks
from reconciliation.matching.engine import Whole
from reconciliation.matching.index import Index
from reconciliation.matching.levels import Weights
from reconciliation.matching.proposals import Result
from reconciliation.matching.tables import Table
from reconciliation.models import MatchRun

log = logging.getLogger(__name__)

FORMAT = 1
FEWEST_ROWS = 2000
"""Accounts with fewer open rows are matched as a whole each time: that takes no longer."""
_ABOUT = "about.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """An index and what the pass that wrote it knew; `weights_version` names what it began with."""

    index: Index
    whole: Whole
    marks: Marks
    weights_version: int


def write(account: Account, lines: Table, entries: Table) -> Path | None:
    """Write the index of these rows aside; None where it is not worth while, or the disk is full."""
    if len(lines) + len(entries) < FEWEST_ROWS:
        return None
    folder = _folder(account) / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        Index.build(lines, entries).save(folder)
    except OSError as error:
        log.warning("account=%s has no matching index: %s", account.pk, error)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder


def publish(folder: Path, *, run: MatchRun, marks: Marks, result: Result, weights_version: int) -> None:
    """Make a written index the one that counts, in one step; older ones go."""
    about = {
        "format": FORMAT,
        "run": run.pk,
        "key": folder.name,
        "marks": [marks.line, marks.posting, marks.at.isoformat()],
        "weights": {name: list(map(float, values)) for name, values in result.weights.by_feature.items()},
        "version": result.weights.version,
        "usual_lag": result.usual_lag,
        "weights_version": weights_version,
    }
    final = folder.parent / f"{time.time_ns():020}"
    try:
        (folder / _ABOUT).write_text(json.dumps(about))
        folder.rename(final)
    except OSError as error:
        log.warning("run=%s leaves no matching index: %s", run.pk, error)
        return
    MatchRun.objects.filter(pk=run.pk).update(index_key=folder.name)
    for other in final.parent.iterdir():
        if other != final:
            shutil.rmtree(other, ignore_errors=True)


def read(account: Account) -> Kept | None:
    """The newest index, if it can be read and was written by a pass of this very database."""
    for folder in sorted(_folder(account).glob("[0-9]*"), reverse=True):
        try:
            about = json.loads((folder / _ABOUT).read_text())
            if about["format"] != FORMAT or not _ours(account, about["run"], about["key"]):
                return None
            index = Index.load(folder)
            weights = {name: np.array(values) for name, values in about["weights"].items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the matching index of account=%s cannot be read: %s", account.pk, error)
            return None
        line, posting, at = about["marks"]
        whole = Whole(index.rarity, Weights(weights, about["version"]), about["usual_lag"])
        marks = Marks(line, posting, dt.datetime.fromisoformat(at))
        return Kept(index, whole, marks, about["weights_version"])
    return None


def _ours(account: Account, run: int, key: str) -> bool:
    """A database that was put back or made anew may know other rows by the same numbers."""
    done = MatchRun.objects.filter(pk=run, account=account, state=MatchRun.State.DONE)
    return done.filter(index_key=key).exists()


def _folder(account: Account) -> Path:
    return Path(settings.VAR_DIR) / "matching" / str(account.pk)
