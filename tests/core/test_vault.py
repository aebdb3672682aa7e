"""The vault: what is stored cannot be read, keys rotate, a missing key is named in words."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from pytest_django import Settings

from integrations.models import Integration, Secret
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.vault import decrypt, encrypt, is_current

OLD = f"old:{Fernet.generate_key().decode()}"
NEW = f"new:{Fernet.generate_key().decode()}"


def test_what_is_encrypted_can_be_read_back_only_with_the_key(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    stored = encrypt("sk_live_1")
    assert stored.startswith("old$")
    assert "sk_live_1" not in stored
    assert decrypt(stored) == "sk_live_1"


def test_the_same_text_is_stored_differently_each_time(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    assert encrypt("x") != encrypt("x")


def test_after_a_rotation_old_secrets_are_read_and_new_ones_written_under_the_new_key(
    settings: Settings,
) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    stored = encrypt("kept")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert decrypt(stored) == "kept"
    assert [is_current(stored), is_current(encrypt("kept"))] == [False, True]


def test_a_key_that_is_gone_is_a_config_error_in_words(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = [OLD]
    stored = encrypt("lost")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(ConfigError, match="Put the key it was written with back into the list"):
        decrypt(stored)


@pytest.mark.parametrize("stored", ["", "test$", "test$broken", "no dollar sign"])
def test_a_damaged_secret_is_a_config_error(stored: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        decrypt(stored)


def test_without_keys_nothing_is_stored(settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(ConfigError, match="ENCRYPTION_KEYS is empty"):
        encrypt("x")


def test_an_encrypted_field_is_clear_in_python_only(organization: Organization) -> None:
    integration = Integration.objects.create(organization=organization, connector="stripe", name="Stripe")
    secret = Secret.objects.create(integration=integration, name="key", value="sk_live_42")
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM integrations_secret")
        stored = cursor.fetchone()[0]
    secret.refresh_from_db()
    assert "sk_live_42" not in stored
    assert secret.value == "sk_live_42"
