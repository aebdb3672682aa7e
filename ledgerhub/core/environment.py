"""First start: write an environment file with fresh keys, so that nothing has to be typed in."""

from __future__ import annotations

import base64
import os
import secrets
import sys
import tempfile
from pathlib import Path

TEMPLATE = """\
# Written by `make run` for this machine only. Every variable is explained in .env.example.
SECRET_KEY={secret}
ENCRYPTION_KEYS=k1:{key}
LEDGERHUB_DEMO=true
DEBUG=false
LOG_LEVEL=WARNING
"""


def write(path: Path) -> bool:
    """Make the file if it is not there, readable by its owner only; says whether it was made.

    It appears whole or not at all: half a file would pass for one with keys.
    """
    if path.exists():
        return False
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.") as draft:
        draft.write(TEMPLATE.format(secret=secrets.token_urlsafe(48), key=key))
        draft.flush()
        os.fsync(draft.fileno())
        try:
            os.link(draft.name, path)  # unlike a rename it never replaces what somebody else made meanwhile
        except FileExistsError:
            return False
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ".env")
    sys.stdout.write(f"{'Wrote' if write(target) else 'Using'} {target}\n")
