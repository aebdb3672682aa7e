"""Forms of alerts: a new channel, an e-mail address or a webhook URL."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from integrations.models import AlertChannel
from ledgerhub.access.models import Organization

MOST_CHANNELS = 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ChannelForm(forms.Form):
    """Where incidents are told: `target` is checked by its kind."""

    kind = forms.ChoiceField(label="Tell it by", choices=AlertChannel.Kind.choices)
    target = forms.CharField(
        label="Address",
        max_length=500,
        help_text="An e-mail address, or the https:// address that takes the webhook",
    )

    def __init__(self, data: Any = None, *, organization: Organization) -> None:
        super().__init__(data)
        self.organization = organization

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        kind, target = cleaned.get("kind"), cleaned.get("target")
        if kind and target:
            try:
                (_check_email if kind == AlertChannel.Kind.EMAIL else _check_url)(target)
            except ValidationError as error:
                self.add_error("target", error)
            else:
                self._check_room(kind, target)
        return cleaned

    def _check_room(self, kind: str, target: str) -> None:
        channels = AlertChannel.objects.filter(organization=self.organization)
        if channels.filter(kind=kind, target=target).exists():
            self.add_error("target", "This channel is there already.")
        elif channels.count() >= MOST_CHANNELS:
            self.add_error(None, f"There are {MOST_CHANNELS} channels already. Remove one first.")


def _check_email(target: str) -> None:
    try:
        validate_email(target)
    except ValidationError:
        raise ValidationError("This is not an e-mail address. Example: books@example.com") from None


def _check_url(target: str) -> None:
    """The address itself; whether it leads into a private network is looked at with every message."""
    try:
        parts = urlsplit(target)
        host = parts.hostname
    except ValueError:
        raise ValidationError("This is not an address. Example: https://example.com/alerts") from None
    if not host or parts.username or any(character.isspace() for character in target):
        raise ValidationError("This is not an address. Example: https://example.com/alerts")
    inside = settings.ALLOW_LOOPBACK_INTEGRATIONS and host in _LOOPBACK
    if parts.scheme != "https" and not (inside and parts.scheme == "http"):
        raise ValidationError("The address must begin with https://")
