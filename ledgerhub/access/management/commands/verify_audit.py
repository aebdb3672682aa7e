"""Checks that no row of the audit trail was edited, removed or slipped in."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledgerhub.access.audit import SYSTEM, verify
from ledgerhub.access.models import AuditChain, AuditEvent, Organization


class Command(BaseCommand):
    help = "Verify the audit trail of every organization; fails where a row was edited or is missing."

    def handle(self, *args: Any, **options: Any) -> None:
        faulty = 0
        for key, name in _chains():
            faults = verify(key)
            faulty += bool(faults)
            for fault in faults:
                self.stderr.write(f"{name}: {fault.message}")
            if not faults:
                self.stdout.write(self._sound(key, name))
        if faulty:
            raise CommandError(f"{faulty} audit trail(s) are not as they were written.")

    def _sound(self, key: str, name: str) -> str:
        chain = AuditChain.objects.filter(key=key).first()
        length, seal = (chain.length, chain.seal) if chain else (0, "")
        return f"{name}: {length} events, untouched. Seal of the last: {seal or 'none'}"


def _chains() -> list[tuple[str, str]]:
    """Every chain there should be, whether or not its last link is still there."""
    keys = {(str(pk), name) for pk, name in Organization.objects.values_list("pk", "name")}
    has_system = AuditEvent.objects.filter(organization__isnull=True).exists()
    if has_system or AuditChain.objects.filter(key=SYSTEM).exists():
        keys.add((SYSTEM, "System"))
    return sorted(keys)
