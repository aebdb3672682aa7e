"""What systems were sent outlives the sandbox: one JSON file a system, whole at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path

from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.web import State, System


def remember(folder: Path, system: System, state: State) -> None:
    if system.remember is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{system.key}.new"
    fresh.write_text(json.dumps(system.remember(state), separators=(",", ":")))
    fresh.chmod(0o600)
    os.replace(fresh, folder / f"{system.key}.json")


def recall(folder: Path, state: State) -> None:
    for system in SYSTEMS.values():
        file = folder / f"{system.key}.json"
        if system.recall is not None and file.exists():
            system.recall(state, json.loads(file.read_text()))
