"""`python -m tests.on_postgres`: the database tests again, on a PostgreSQL of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import postgres, tables


def main(arguments: list[str]) -> int:
    try:
        with postgres.server() as url:
            print(f"Running the tests on {url}", flush=True)  # noqa: T201
            tables.on_server(url)
            environment = {**os.environ, "DATABASE_URL": url, "TEST_DB_TEMPLATE": tables.TEMPLATE}
            return subprocess.call([sys.executable, "-m", "pytest", *arguments], env=environment)
    except postgres.NoPostgres as reason:
        print(f"Skipped the PostgreSQL run: {reason}", flush=True)  # noqa: T201
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
