"""`python -m tests.kill.inside <dotted function> [arguments]`: call it in an installation, print JSON."""

from __future__ import annotations

import json
import sys

import django
from django.utils.module_loading import import_string


def main(name: str, *arguments: str) -> None:
    django.setup()
    print(json.dumps(import_string(name)(*arguments)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
