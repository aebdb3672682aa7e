"""Settings of the installation the browser drives: as in use, but with a fast queue and own folders."""

from tests.kill.settings import *  # noqa: F403
from tests.kill.settings import VAR_DIR

STATIC_ROOT = VAR_DIR / "static"
