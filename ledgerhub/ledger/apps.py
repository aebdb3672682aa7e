"""The ledger app: the books."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "ledgerhub.ledger"
    label = "ledger"
