"""What the documents show works."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from integrations.mapping import MappingContext, NoLookups, check_mapping, compile_mapping

DOCS = Path(__file__).resolve().parent.parent / "docs"


def example() -> dict[str, Any]:
    """The connector in docs/connectors.md, run as it stands there."""
    [code] = re.findall(r"```python\n(.*?)```", (DOCS / "connectors.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/connectors.md", "exec"), names)
    return names


def test_the_example_connector_maps_a_charge() -> None:
    names = example()
    outputs = names["CHARGES"].outputs
    assert check_mapping(outputs) == []
    compiled = compile_mapping(
        outputs, MappingContext(timezone="America/New_York", currency="USD", settings={}, lookups=NoLookups())
    )
    charge = {"id": "ch_1", "created_at": "2026-03-03T04:34:05Z", "currency": "USD", "amount": 1250}
    payer = {"id": "7", "name": "Ann Lee", "email": "ann@example.com"}
    [result] = compiled({**charge, "state": "settled", "payer": payer})
    assert (result.errors, result.draft) == (
        (),
        {
            "kind": "payment",
            "external_id": "ch_1",
            "date": dt.date(2026, 3, 2),
            "occurred_at": dt.datetime(2026, 3, 3, 4, 34, 5, tzinfo=dt.UTC),
            "currency": "USD",
            "total": 1250,
            "gateway": "acme_pay",
            "status": "succeeded",
            "customer": {"external_id": "7", "name": "Ann Lee", "email": "ann@example.com"},
        },
    )


def test_every_link_of_the_documents_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]
        for target in re.findall(r"\]\(([^)#]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
