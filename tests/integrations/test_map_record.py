"""map_record: what a connector's mapping makes of records in a file, as JSON, without any database."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.rules import Output, outputs_to_dict, rule, step
from tests.integrations.mapped import ORDER, order

SALE = {
    "record": 1,
    "output": "invoice",
    "document": "5001",
    "part": "sale",
    "date": "2026-03-02",
    "currency": "USD",
    "memo": "Invoice #1001",
    "lines": [
        {"account": "clearing/shopify_payments", "debit": "108.50", "credit": "", "minor": 10850, "memo": ""},
        {"account": "sales", "debit": "", "credit": "100.00", "minor": -10000, "memo": ""},
        {"account": "tax_payable", "debit": "", "credit": "8.50", "minor": -850, "memo": ""},
    ],
}


def run(tmp_path: Path, data: Any, *options: str, connector: str = "shopify", stream: str = "orders") -> Any:
    """(exit status, printed JSON); `data` may be text."""
    file = tmp_path / "records.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    out, status = StringIO(), 0
    try:
        call_command(
            "map_record",
            str(file),
            f"--connector={connector}",
            f"--stream={stream}",
            "--timezone=America/New_York",
            *options,
            stdout=out,
        )
    except SystemExit as end:
        status = int(str(end.code))
    return status, json.loads(out.getvalue())


def test_a_record_becomes_a_document_and_its_entry(tmp_path: Path) -> None:
    status, answer = run(tmp_path, ORDER)
    assert (status, answer["errors"], answer["entries"]) == (0, [], [SALE])
    [document] = answer["documents"]
    assert (document["kind"], document["total"], document["total_minor"]) == ("invoice", "108.50", 10850)
    assert document["customer"] == {"external_id": "7", "name": "Ann Lee", "email": "ann@x.test"}
    assert document["lines"][0]["unit_price"] == "50.00"
    assert document["occurred_at"] == "2026-03-02T23:14:05-05:00"


def test_the_time_zone_decides_the_date(tmp_path: Path) -> None:
    _, answer = run(tmp_path, ORDER, "--timezone=UTC")
    assert answer["documents"][0]["date"] == "2026-03-03"


@pytest.mark.parametrize(
    "wrapped",
    [
        [ORDER],
        {"order": ORDER},
        {"orders": [ORDER]},
        {"data": {"orders": {"nodes": [ORDER], "pageInfo": {}}}},
        {"name": "orders/create", "deprecated": False, "response": ORDER},
    ],
)
def test_what_vendors_wrap_around_records(tmp_path: Path, wrapped: Any) -> None:
    assert run(tmp_path, wrapped)[1]["entries"] == [SALE]


def test_each_record_of_a_list_is_named(tmp_path: Path) -> None:
    status, answer = run(tmp_path, [order(1), order(2, financial_status="odd"), "text"])
    assert status == 1
    assert [row["record"] for row in answer["documents"]] == [1]
    assert answer["errors"] == [
        {
            "record": 2,
            "output": "invoice",
            "target": "invoice.status",
            "source": "financial_status",
            "message": "'odd' is not in the list of 'Map values'",
        },
        {"record": 3, "output": "", "target": "", "source": "", "message": "A record must be a JSON object."},
    ]


def test_amounts_of_other_exponents(tmp_path: Path) -> None:
    charge = {
        "id": "ch_1", "object": "charge", "created": 1772510400, "currency": "jpy", "amount": 1200,
        "amount_captured": 1200, "status": "succeeded", "paid": True, "captured": True,
        "balance_transaction": {"id": "txn_1", "amount": 1200, "currency": "jpy"},
    }  # fmt: skip
    options = ["--integration-settings", '{"charges_count_as": "sales"}']
    event = {"object": "event", "id": "evt_1", "data": {"object": charge}}
    for given in (charge, event):
        status, answer = run(tmp_path, given, *options, connector="stripe", stream="charges")
        assert (status, answer["errors"]) == (0, [])
        assert [
            (line["account"], line["debit"], line["credit"], line["minor"])
            for line in answer["entries"][0]["lines"]
        ] == [("clearing/stripe", "1200", "", 1200), ("sales", "", "1200", -1200)]


def test_rules_of_ones_own(tmp_path: Path) -> None:
    output = Output(
        "fee",
        "fee",
        (
            rule("fee.external_id", "id"),
            rule("fee.date", "created_at", "iso_date"),
            rule("fee.currency", "currency"),
            rule("fee.total", "subtotal_price"),
            rule("fee.gateway", "", step("constant", value="till")),
        ),
    )
    mapping = tmp_path / "rules.json"
    mapping.write_text(json.dumps(outputs_to_dict((output,))))
    status, answer = run(tmp_path, ORDER, f"--mapping={mapping}")
    assert (status, [line["account"] for line in answer["entries"][0]["lines"]]) == (
        0,
        ["merchant_fees", "clearing/till"],
    )


def test_what_cannot_be_booked_is_an_error(tmp_path: Path) -> None:
    status, answer = run(tmp_path, order(1, total_price="200.00"))
    assert (status, answer["documents"], answer["entries"]) == (1, [], [])
    assert [row["target"] for row in answer["errors"]] == ["invoice.total"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--connector=nobody"], "There is no connector 'nobody'"),
        (["--stream=nothing"], "Shopify has no stream 'nothing'"),
        (["--timezone=Mars/Base"], "'Mars/Base' is not a time zone"),
        (["--currency=XXQ"], "'XXQ' is not a currency code"),
        (["--integration-settings", "nonsense"], "The settings: this is not proper JSON"),
        (["--integration-settings", "[]"], "must be a JSON object"),
        (["--mapping=/nowhere/rules.json"], "/nowhere/rules.json cannot be read"),
    ],
)
def test_wrong_options_are_told_in_words(tmp_path: Path, options: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(tmp_path, ORDER, *options)


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "this is not proper JSON"), ("[" * 100_000, "this is not proper JSON")],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(tmp_path, content)


def test_a_mapping_that_cannot_be_used(tmp_path: Path) -> None:
    mapping = tmp_path / "rules.json"
    mapping.write_text('{"outputs": [{"key": "a", "kind": "fee", "rules": []}]}')
    with pytest.raises(CommandError, match=r"fee\.date: Date is required, but has no rule"):
        run(tmp_path, ORDER, f"--mapping={mapping}")
    mapping.write_text('{"rules": []}')
    with pytest.raises(CommandError, match="is not a mapping"):
        run(tmp_path, ORDER, f"--mapping={mapping}")


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("orders", "shopify/rest-samples/orders.json"),
        ("customers", "shopify/rest-samples/customer.json"),
        ("balance_transactions", "shopify/rest-samples/payouts_transactions.json"),
        ("orders", "shopify/webhooks/2026-07/orders/paid.json"),
        ("customers", "shopify/webhooks/2026-07/customers/create.json"),
    ],
)
def test_shopifys_own_samples(tmp_path: Path, reference: Path, stream: str, path: str) -> None:
    status, answer = run(tmp_path, (reference / "vendor" / path).read_text(), stream=stream)
    assert (status, answer["errors"]) == (0, [])
    assert len(answer["documents"]) > 0


@pytest.mark.parametrize("kind", ["charge", "refund", "dispute", "customer"])
def test_stripes_own_samples(tmp_path: Path, reference: Path, kind: str) -> None:
    fixtures = json.loads((reference / "vendor/stripe/fixtures3.2024-06-20.json").read_text())
    status, answer = run(tmp_path, fixtures["resources"][kind], connector="stripe", stream=f"{kind}s")
    assert (status, answer["errors"], len(answer["documents"])) == (0, [], 1)
