"""`manage.py rotate_secrets`: write every secret again under the newest key of the ring."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management.base import BaseCommand
from django.db import models, transaction

from ledgerhub.core.vault import EncryptedTextField, decrypt, encrypt, is_current

SEEDS = ("secret", "seed")


class Command(BaseCommand):
    help = "Encrypt stored secrets and second-factor seeds again with the first key of ENCRYPTION_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        count = sum(_rotate_field(model, field) for model, field in _encrypted_fields())
        count += _rotate_seeds()
        self.stdout.write(f"{count} secrets are under the newest key now. Older keys may be removed.\n")


def _encrypted_fields() -> list[tuple[type[models.Model], str]]:
    return [
        (model, field.attname)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTextField)
    ]


def _rotate_field(model: type[models.Model], name: str) -> int:
    """Saving encrypts anew; each row in a transaction of its own, so that traffic goes on."""
    keys = list(model._base_manager.exclude(**{name: ""}).values_list("pk", flat=True))
    for key in keys:
        with transaction.atomic():
            row = model._base_manager.select_for_update().filter(pk=key).first()
            if row is not None:
                row.save(update_fields=[name])
    return len(keys)


def _rotate_seeds() -> int:
    count = 0
    for key in Authenticator.objects.values_list("pk", flat=True):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().get(pk=key)
            stale = [name for name in SEEDS if row.data.get(name) and not is_current(row.data[name])]
            if stale:
                row.data = {**row.data, **{name: encrypt(decrypt(row.data[name])) for name in stale}}
                row.save(update_fields=["data"])
                count += len(stale)
    return count
