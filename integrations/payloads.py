"""Pure: payloads as JSON without losing a digit."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any


class PayloadEncoder(json.JSONEncoder):
    """Numbers stay numbers where a float holds them exactly, else they are kept as text."""

    def default(self, o: Any) -> Any:
        if isinstance(o, Decimal):
            if not o.is_finite():
                return str(o)
            number = float(o)
            return number if Decimal(repr(number)) == o else str(o)
        return super().default(o)


class PayloadDecoder(json.JSONDecoder):
    """Reads fractions as Decimal, as the client does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_float": Decimal})


_CANONICAL = PayloadEncoder(sort_keys=True, separators=(",", ":"))


def canonical(record: Any) -> str:
    """A record as JSON text that is the same whatever the order of its keys."""
    return _CANONICAL.encode(record)


def digest_of(text: str) -> str:
    """Hash of a canonical text: same hash, same content."""
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
