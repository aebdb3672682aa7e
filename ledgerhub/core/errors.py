"""The three errors, grouped by what happens next, and the field error a bookkeeper reads."""

from __future__ import annotations

from typing import NamedTuple


class FieldError(NamedTuple):
    """Why one field of one record could not be used; `target` and `source` may be empty."""

    target: str
    source: str
    message: str


class LedgerHubError(Exception):
    """Base of everything this product raises on purpose; str() is fit to show."""


class ConfigError(LedgerHubError):
    """A person must act: wrong credentials, missing setting, locked account."""


class TransientError(LedgerHubError):
    """Worth trying again; `retry_after` in seconds when the other side said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RecordError(LedgerHubError):
    """This record cannot be used: quarantine it, go on with the others."""

    def __init__(self, field_errors: list[FieldError] | str) -> None:
        if isinstance(field_errors, str):
            field_errors = [FieldError("", "", field_errors)]
        self.field_errors = field_errors
        super().__init__("; ".join(error.message for error in field_errors))
