"""The tables of integrations: what comes in (intake), what goes out (outbox)."""

from integrations.models.intake import (
    AlertChannel,
    ApiCall,
    Incident,
    Integration,
    MappingVersion,
    Quarantine,
    RateBucket,
    RawRecord,
    Secret,
    StatementLayout,
    Stream,
    SyncRun,
    Upload,
    WebhookEvent,
)
from integrations.models.outbox import Delivery, DeliveryLink, Difference, Listed, NameMap, Route

__all__ = [
    "AlertChannel",
    "ApiCall",
    "Delivery",
    "DeliveryLink",
    "Difference",
    "Incident",
    "Integration",
    "Listed",
    "MappingVersion",
    "NameMap",
    "Quarantine",
    "RateBucket",
    "RawRecord",
    "Route",
    "Secret",
    "StatementLayout",
    "Stream",
    "SyncRun",
    "Upload",
    "WebhookEvent",
]
