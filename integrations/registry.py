"""Connectors and what belongs to an integration's row: its spec, its streams' specs, its scope of ids."""

from __future__ import annotations

from integrations import connectors
from integrations.models import Integration, Stream
from integrations.spec import Connector
from integrations.spec import Stream as StreamSpec
from ledgerhub.ledger.models import Source


def connector(integration: Integration) -> Connector:
    return connectors.get(integration.connector)


def stream_spec(stream: Stream) -> StreamSpec:
    return connector(stream.integration).stream(stream.key)


def scope(integration: Integration) -> str:
    """Whose ids the contacts of this integration are known by."""
    return f"integration:{integration.pk}"


def came_from(integration: Integration, source: Source) -> bool:
    """Whether documents of the source come from the integration itself: they are never sent back there."""
    return source.key.startswith(f"{scope(integration)}/")


def source_key(integration: Integration, spec: StreamSpec) -> str:
    return f"{scope(integration)}/{spec.key}"


def source_for(integration: Integration, spec: StreamSpec) -> Source:
    """The ledger's name for where the documents of a stream come from."""
    source, _ = Source.objects.get_or_create(
        organization=integration.organization,
        key=source_key(integration, spec),
        defaults={"label": f"{integration.name} · {spec.label}"},
    )
    return source
