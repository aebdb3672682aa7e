"""Connectors: one file (or folder) a system, found by its name; adding a file is the whole registration."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from integrations.spec import Connector
from ledgerhub.core.errors import ConfigError


def _discover() -> dict[str, Connector]:
    found: dict[str, Connector] = {}
    for module in sorted(iter_modules(__path__), key=lambda module: module.name):
        connector: Connector = import_module(f"{__name__}.{module.name}").connector
        if connector.key != module.name:
            raise RuntimeError(f"the connector in '{module.name}' calls itself '{connector.key}'")
        found[connector.key] = connector
    return found


CONNECTORS: dict[str, Connector] = _discover()


def get(key: str) -> Connector:
    """The connector of that name; raises ConfigError where it is not (or no longer) part of the product."""
    try:
        return CONNECTORS[key]
    except KeyError:
        raise ConfigError(f"There is no connector '{key}' in this version of LedgerHub.") from None
