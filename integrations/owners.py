"""Whose account an integration is of: known when it is connected, and never exchanged for another one's."""

from __future__ import annotations

from integrations import registry
from integrations.calls import Owner
from integrations.connection import Offered, connect
from integrations.models import Delivery, Integration, RawRecord
from ledgerhub.core.errors import ConfigError, LedgerHubError


def of(integration: Integration) -> Owner:
    return Owner(integration.owner_key, integration.owner_name)


def remember(integration: Integration, owner: Owner) -> None:
    """Keep whose account answered; raises ConfigError where it is not the one that the integration is of."""
    if not owner.id or owner == of(integration):
        return
    _refuse_another(integration, owner)
    integration.owner_key, integration.owner_name = owner.id[:120], owner.name[:200]
    rows = Integration.objects.filter(pk=integration.pk)
    rows.update(owner_key=integration.owner_key, owner_name=integration.owner_name)


def is_bound(integration: Integration) -> bool:
    """Whether another account would mix with what was read or sent so far."""
    if not integration.owner_key:
        return False
    used = (
        RawRecord.objects.filter(stream__integration=integration),
        Delivery.objects.filter(integration=integration),
    )
    return integration.state != Integration.State.DRAFT or any(rows.exists() for rows in used)


def check(integration: Integration, offered: Offered, *, patience: float, told: bool = True) -> None:
    """Ask with what a person would connect an integration with, before it is kept, whose account that is.
    Raises ConfigError where it is another one's or, if it has to be `told`, where nobody says."""
    if not is_bound(integration):
        return
    client, calls = connect(integration, purpose="whose account", patience=patience, offered=offered)
    owner, problem = Owner(), "It does not tell."
    try:
        with client:
            owner = client.test().owner
    except LedgerHubError as error:
        problem = str(error)
    finally:
        calls.save()
    if not owner.id and told:
        known = of(integration)
        raise ConfigError(
            f"Whether this is the account of {known} could not be found out; nothing was changed. {problem}"
        )
    _refuse_another(integration, owner)


def _refuse_another(integration: Integration, owner: Owner) -> None:
    known = of(integration)
    if owner.id in ("", known.id) or not is_bound(integration):
        return
    label = registry.connector(integration).label
    raise ConfigError(
        f"This is the account of {owner} at {label}; {integration} was made for that of {known}, and records "
        f"of the two would mix. Connect it with the account of {known}, or add an integration for {owner}."
    )
