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
    [result] = compiled({"id": "ch_1", "created": 1772512445, "currency": "usd", "amount": 1250})
    assert (result.errors, result.draft) == (
        (),
        {
            "kind": "payment",
            "external_id": "ch_1",
            "date": dt.date(2026, 3, 2),
            "currency": "USD",
            "total": 1250,
            "gateway": "acme_pay",
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
