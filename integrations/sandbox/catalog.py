"""The simulated systems by file name, and what a demo needs to register each of them."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from integrations.sandbox import systems
from integrations.sandbox.web import System


def _found() -> dict[str, System]:
    """Every module in `systems/` exposes `system`; the file is the whole registration."""
    modules = sorted(info.name for info in pkgutil.iter_modules(systems.__path__))
    loaded = [importlib.import_module(f"{systems.__name__}.{name}").system for name in modules]
    return {system.key: system for system in loaded}


SYSTEMS: dict[str, System] = _found()


def registrations(address: str) -> list[dict[str, Any]]:
    """What to type to register each system of a sandbox at `address` (http://127.0.0.1:8001)."""
    return [
        {
            "system": system.key,
            "label": system.label,
            "base_url": address + system.base,
            "settings": dict(system.settings),
            "secrets": dict(system.secrets),
        }
        for system in SYSTEMS.values()
    ]
