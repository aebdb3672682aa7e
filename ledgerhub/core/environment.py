"""First start: write an environment file with fresh keys, so that nothing has to be typed in."""

from __future__ import annotations

import base64
import secrets
import sys
from pathlib import Path

TEMPLATE = """\
# Written by `make run` for this machine only. Every variable is explained in .env.example.
SECRET_KEY={secret}
ENCRYPTION_KEYS=k1:{key}
LEDGERHUB_DEMO=true
DEBUG=false
"""


def write(path: Path) -> bool:
    """Make the file if it is not there, readable by its owner only; says whether it was made."""
    if path.exists():
        return False
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    path.touch(mode=0o600)
    path.write_text(TEMPLATE.format(secret=secrets.token_urlsafe(48), key=key))
    return True


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else ".env")
    sys.stdout.write(f"{'Wrote' if write(target) else 'Using'} {target}\n")
