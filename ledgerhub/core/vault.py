"""The vault: encrypts secrets at rest with a key ring of its own, apart from SECRET_KEY."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models

from ledgerhub.core.errors import ConfigError


def encrypt(clear: str) -> str:
    """Clear text -> `keyid$token` under the newest key of the ring."""
    key_id, ring = _ring()
    return f"{key_id}${ring.encrypt(clear.encode()).decode()}"


def decrypt(stored: str) -> str:
    """Inverse of `encrypt`; raises ConfigError when no key of the ring fits."""
    _, ring = _ring()
    try:
        return ring.decrypt(stored.partition("$")[2].encode()).decode()
    except InvalidToken:
        raise ConfigError(
            "A stored secret cannot be read with the encryption keys in ENCRYPTION_KEYS. "
            "Put the key it was written with back into the list."
        ) from None


def is_current(stored: str) -> bool:
    """Whether a stored secret is already under the newest key."""
    return stored.partition("$")[0] == _ring()[0]


def _ring() -> tuple[str, MultiFernet]:
    return _build_ring(tuple(settings.ENCRYPTION_KEYS))


@lru_cache(maxsize=4)
def _build_ring(keys: tuple[str, ...]) -> tuple[str, MultiFernet]:
    pairs = [key.strip().partition(":") for key in keys if key.strip()]
    if not pairs:
        raise ConfigError("ENCRYPTION_KEYS is empty: LedgerHub cannot keep secrets without a key.")
    return pairs[0][0], MultiFernet([Fernet(key.encode()) for _, _, key in pairs])


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is encrypted in the database and clear in Python."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return None if value is None else (decrypt(value) if value else "")

    def get_prep_value(self, value: Any) -> Any:
        return value if not value else encrypt(str(value))
