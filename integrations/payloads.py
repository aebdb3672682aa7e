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
            return float(o) if o.is_finite() and Decimal(repr(float(o))) == o else str(o)
        return super().default(o)


class PayloadDecoder(json.JSONDecoder):
    """Reads fractions as Decimal, as the client does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_float": Decimal})


def content_hash(record: Any) -> str:
    """Hash of a record's content, whatever the order of its keys."""
    text = json.dumps(record, sort_keys=True, cls=PayloadEncoder, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()
