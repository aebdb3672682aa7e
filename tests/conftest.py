"""Settings and factories every test may use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("SECRET_KEY", "for the tests only, nothing is guarded by it 0123456789")
os.environ.setdefault("ENCRYPTION_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
os.environ.setdefault("LEDGERHUB_ENV_FILE", os.devnull)
os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="ledgerhub-test-"))
os.environ.setdefault("DEBUG", "true")
os.environ.setdefault("REQUIRE_MFA", "false")
os.environ.setdefault("EMAIL_URL", "memorymail://")


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of vendors' specifications and samples; tests that need it skip where it is absent."""
    root = Path(os.environ.get("LEDGERHUB_REFERENCE", Path(__file__).resolve().parents[2] / "shared"))
    if not root.is_dir():
        pytest.skip(f"no reference data at {root} (set LEDGERHUB_REFERENCE)")
    return root
