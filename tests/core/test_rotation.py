"""Rotating the key ring: everything is readable with the new key alone."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection

from integrations.models import Integration, Secret
from ledgerhub.access.models import Organization, User
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.vault import decrypt, encrypt

OLD = "old:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
NEW = "new:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="


@pytest.mark.django_db
def test_rotation(organization: Organization, admin: User, settings: pytest.FixtureRequest) -> None:
    settings.ENCRYPTION_KEYS = [OLD]  # type: ignore[attr-defined]
    integration = Integration.objects.create(organization=organization, connector="stripe", name="Stripe")
    secret = Secret.objects.create(integration=integration, name="api_key", value="sk_live_planted")
    factor = Authenticator.objects.create(user=admin, type="totp", data={"secret": encrypt("SEED")})

    settings.ENCRYPTION_KEYS = [NEW, OLD]  # type: ignore[attr-defined]
    call_command("rotate_secrets")

    settings.ENCRYPTION_KEYS = [NEW]  # type: ignore[attr-defined]
    secret.refresh_from_db()
    factor.refresh_from_db()
    assert (secret.value, decrypt(factor.data["secret"])) == ("sk_live_planted", "SEED")


@pytest.mark.django_db
def test_secret_is_never_clear_in_the_database(organization: Organization) -> None:
    integration = Integration.objects.create(organization=organization, connector="stripe", name="Stripe")
    Secret.objects.create(integration=integration, name="api_key", value="sk_live_planted")
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM integrations_secret")
        [(stored,)] = cursor.fetchall()
    assert "planted" not in stored
    assert stored.startswith("test$")


@pytest.mark.django_db
def test_a_missing_key_is_said_in_words(organization: Organization, settings: pytest.FixtureRequest) -> None:
    settings.ENCRYPTION_KEYS = [OLD]  # type: ignore[attr-defined]
    stored = encrypt("anything")
    settings.ENCRYPTION_KEYS = [NEW]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="Put the key it was written with back"):
        decrypt(stored)
