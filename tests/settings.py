"""Settings of the tests: the product's own, with an environment that needs no file and hurts nobody."""

import os
import tempfile

os.environ.update(
    {
        "LEDGERHUB_ENV_FILE": os.devnull,
        "SECRET_KEY": "for the tests only, nothing is guarded by it 0123456789",
        "ENCRYPTION_KEYS": "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "VAR_DIR": tempfile.mkdtemp(prefix="ledgerhub-test-"),
        "DEBUG": "true",
        "LEDGERHUB_DEMO": "false",
        "REQUIRE_MFA": "false",
        "EMAIL_URL": "memorymail://",
    }
)

from ledgerhub.settings import *  # noqa: F403 (the environment has to be there first)

# The tests' own client serves pages without collected static files.
WHITENOISE_AUTOREFRESH = True
