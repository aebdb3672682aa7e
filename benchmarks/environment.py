"""The environment of a benchmark that uses Django: own keys, no .env file, a folder that goes at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile


def prepare(settings: str = "ledgerhub.settings", **more: str) -> None:
    """Before anything reads the settings; `more` is set whatever the machine says."""
    defaults = {
        "DJANGO_SETTINGS_MODULE": settings,
        "SECRET_KEY": "for measuring only",
        "ENCRYPTION_KEYS": "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if "VAR_DIR" not in os.environ:
        os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="ledgerhub-benchmark-")
        atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)
    os.environ.update(more, LEDGERHUB_ENV_FILE=os.devnull)
