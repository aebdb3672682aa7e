"""Settings of the tests: the product's own, with an environment that needs no file and hurts nobody."""

import atexit
import os
import shutil
import tempfile

VAR = tempfile.mkdtemp(prefix="ledgerhub-test-")
atexit.register(shutil.rmtree, VAR, ignore_errors=True)
os.environ.update(
    {
        "LEDGERHUB_ENV_FILE": os.devnull,
        "SECRET_KEY": "for the tests only, nothing is guarded by it 0123456789",
        "ENCRYPTION_KEYS": "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "VAR_DIR": VAR,
        "DEBUG": "true",
        "LEDGERHUB_DEMO": "false",
        "REQUIRE_MFA": "false",
        "EMAIL_URL": "memorymail://",
    }
)

from ledgerhub.settings import *  # noqa: E402, F403 (the environment has to be there first)

# The tests' own client serves pages without collected static files.
WHITENOISE_AUTOREFRESH = True
