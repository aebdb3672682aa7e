"""The mapping editor as people use it, with and without htmx: rows, steps, values, problems."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.test import Client

from integrations import connectors, mapping_forms
from integrations.models import RawRecord, Stream
from integrations.rule_words import diff
from integrations.rules import Condition, Output, outputs_from_dict, outputs_to_dict, rule, step
from ledgerhub.access.models import AuditEvent, Organization, User
from tests.integrations.mapped import hold, make_stream, order
from tests.integrations.mapping_browser import Editor, changes, form_of, prefix_of

pytestmark = pytest.mark.django_db

SignIn = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
REFUND = {
    "id": 31, "created_at": "2026-03-05T10:00:00-05:00", "note": "Broken",
    "transactions": [{"id": 32, "kind": "refund", "status": "success", "amount": "54.25",
                      "gateway": "shopify_payments", "created_at": "2026-03-05T10:00:00-05:00"}],
    "refund_line_items": [{"quantity": 1, "subtotal": "50.00", "total_tax": "4.25",
                           "line_item": {"id": 1, "title": "Mug", "sku": "M1"}}],
}  # fmt: skip


@pytest.fixture
def stream(organization: Organization) -> Stream:
    made = make_stream(organization)
    hold(made, order(1), order(2, refunds=[REFUND]), order(3, note="Thanks"))
    return made


@pytest.fixture
def editor(stream: Stream, bookkeeper: User, signed_in: SignIn) -> Editor:
    return Editor(signed_in(bookkeeper), stream)


@pytest.fixture
def publisher(stream: Stream, approver: User, signed_in: SignIn) -> Editor:
    return Editor(signed_in(approver), stream)


# ── what the form is ────────────────────────────────────────────────────────────────────────────────

EVERY_OUTPUT = [
    pytest.param(output, id=f"{connector.key}-{stream.key}-{output.key}")
    for connector in connectors.CONNECTORS.values()
    for stream in connector.streams
    for output in stream.outputs
]


def posted(form: mapping_forms.OutputForm) -> dict[str, str]:
    """The names and values the templates give a form."""
    data = {"kind": form.kind, "each": form.each}
    for when in form.whens:
        data |= {f"{when.id}-path": when.path, f"{when.id}-op": when.op, f"{when.id}-values": when.values}
    for row in form.rules:
        data |= {f"{row.id}-target": row.target, f"{row.id}-source": row.source}
        for each in row.steps:
            data[f"{each.id}-name"] = each.name
            for field in each.fields:
                data |= {field.id: field.text, f"{field.id}-text": field.text, f"{field.id}-mode": field.mode}
                data |= {f"{field.id}-path": field.path, f"{field.id}-op": field.op}
                for number, (left, right) in enumerate(field.pairs):
                    data |= {f"{field.id}-pair-{number}-from": left, f"{field.id}-pair-{number}-to": right}
                kept = {"list_of_paths", "text", "value", "path", "choice", "integer", "operand", "setting"}
                if field.param.type in (*kept, "decimal", "boolean"):
                    for part in ("text", "mode", "path", "op"):
                        del data[f"{field.id}-{part}"]
                else:
                    del data[field.id]
    return data


@pytest.mark.parametrize("output", EVERY_OUTPUT)
def test_no_rule_changes_on_its_way_through_the_form(output: Output) -> None:
    stored = outputs_from_dict(json.loads(json.dumps(outputs_to_dict((output,)))))[0]
    form = mapping_forms.from_post(posted(mapping_forms.from_output(stored)), key=output.key)
    assert diff([stored], [mapping_forms.to_output(form)]) == []
    assert not form.has_errors


EVERY_PARAMETER = Output(
    "invoice",
    "invoice",
    (
        rule(
            "invoice.number", "name", step("extract", pattern=r"#(\d+)", group=1), step("round", decimals=0)
        ),
        rule("invoice.memo", "a", step("join", paths=["b", "c"], separator=", "), step("replace", find=" ")),
        rule("invoice.total", "total", step("minor_units", currency="money.currency", scheme="stripe")),
        rule(
            "invoice.tax",
            "t",
            step("multiply", by="rate"),
            step("multiply", by="0.5"),
            step("add", value="1"),
        ),
        rule("invoice.tips", "t", step("map_values", values={"": "0", "a ": "1"}, otherwise="keep")),
        rule("invoice.date", "d", step("date_format", format="%d.%m.%Y")),
        rule("invoice.status", "s", step("default", value=""), step("setting", name="status")),
        rule(
            "invoice.reference",
            "",
            step(
                "when",
                condition={"path": "a", "op": "in", "values": ["x", "y"]},
                then={"path": "b"},
                otherwise="none",
            ),
        ),
    ),
    each="orders[]",
    when=(Condition("a.b", "in", ("1", "2")), Condition("c", "exists")),
)


def test_every_kind_of_parameter_comes_back_as_it_was() -> None:
    form = mapping_forms.from_post(posted(mapping_forms.from_output(EVERY_PARAMETER)), key="invoice")
    output = mapping_forms.to_output(form)
    assert (output.each, output.when) == (EVERY_PARAMETER.each, EVERY_PARAMETER.when)
    assert diff([EVERY_PARAMETER], [output]) == []
    assert output.rules[4].via[0].params == {"values": {"": "0", "a ": "1"}, "otherwise": "keep"}
    assert output.rules[7].via[0].params == EVERY_PARAMETER.rules[7].via[0].params


def test_the_page_sends_back_what_is_stored(editor: Editor) -> None:
    for key in ("invoice", "refund", "credit_note"):
        data = editor.begin(output=key)
        assert editor.save(data).status_code == 302
    assert changes(editor) == []
    assert not AuditEvent.objects.filter(action="mapping.saved").exists()


# ── editing ─────────────────────────────────────────────────────────────────────────────────────────


def test_save_a_change(editor: Editor) -> None:
    data = editor.begin()
    data[f"{prefix_of(data, 'invoice.total')}-source"] = "subtotal_price"
    response = editor.save(data, record="", item="1")
    assert response.status_code == 302
    assert response.url == f"{editor.url('mapping_draft')}?output=invoice&item=1"
    assert changes(editor) == [("Total", "total_price", "subtotal_price")]
    event = AuditEvent.objects.get(action="mapping.saved")
    assert event.after == {"Invoice: Total": "subtotal_price"}


def test_each_rule_shows_what_it_gives(editor: Editor) -> None:
    record = RawRecord.objects.get(external_id="5001")
    editing = editor.shown(editor.begin(record=str(record.pk)))
    rows = {row.target: row for row in editing.form.rules}
    assert rows["invoice.total"].result == "108.50 USD"
    assert (rows["invoice.date"].source_value, rows["invoice.date"].result) == (
        "2026-03-02T23:14:05-05:00",
        "2026-03-02",
    )
    assert [each.value for each in rows["invoice.tax"].steps] == ["8.50"]
    assert rows["lines[].sku"].result == "M1"
    assert [document.title for document in editing.result.documents] == ["Invoice #1001"]
    assert [
        (line.account, line.debit, line.credit) for line in editing.result.documents[0].entries[0].lines
    ] == [
        ("1100 Shopify Payments clearing", 10850, None),
        ("4000 Sales", None, 10000),
        ("2100 Sales tax payable", None, 850),
    ]


def test_lists_are_explained(editor: Editor) -> None:
    assert editor.shown(editor.begin()).lists == [
        ("Lines", "one for each item of line_items[], then one for each item of surcharges[]"),
        ("Payments received", "one for each item of payments[]"),
    ]


def test_a_tab_shows_a_record_that_makes_its_document(editor: Editor) -> None:
    editing = editor.shown(editor.begin(output="refund"))
    assert editing.samples.chosen.external_id == "5002"
    assert [(tab.key, tab.active) for tab in editing.tabs] == [
        ("invoice", False),
        ("refund", True),
        ("credit_note", False),
    ]
    paths = {option.path: option.samples for option in editing.options}
    assert (paths["note"], paths["^name"]) == ("Broken", "#1003, #1002, #1001")


def test_quarantined_records_are_offered_first(editor: Editor) -> None:
    hold(editor.stream, order(9, financial_status="odd"))
    response = editor.client.get(editor.url("mapping"))
    choice = response.context["samples"].choices[0]
    assert (choice.label, choice.quarantined) == ("5009, in quarantine", True)
    assert [error.message for error in response.context["result"].errors] == [
        "'odd' is not in the list of 'Map values'"
    ]


def test_a_record_is_found_by_its_id(editor: Editor) -> None:
    data = editor.begin()
    assert editor.shown({**data, "find": "5001"}).samples.chosen.external_id == "5001"
    editing = editor.shown({**data, "find": "nobody"})
    assert editing.samples.problem == "There is no record with the id 'nobody' in this stream."


def test_buttons_change_rows_and_save_nothing(editor: Editor) -> None:
    data = editor.begin()
    first, second = data["rule-0-target"], data["rule-1-target"]
    moved = editor.press(data, "rule-down:0")
    assert (moved["rule-0-target"], moved["rule-1-target"]) == (second, first)
    added = editor.press(data, "rule-add:0")
    assert (added["rule-1-target"], added["rule-2-target"]) == ("", second)
    assert editor.press(data, "rule-remove:0")["rule-0-target"] == second
    assert changes(editor) == []


def test_buttons_change_steps_and_pairs(editor: Editor) -> None:
    data = editor.begin()
    row = prefix_of(data, "invoice.number")
    number = row.removeprefix("rule-")
    data = editor.press({**data, f"{row}-add": "upper"}, f"step-add:{number}")
    data = editor.press({**data, f"{row}-add": "map_values"}, f"step-add:{number}")
    assert (data[f"{row}-step-0-name"], data[f"{row}-step-1-name"]) == ("upper", "map_values")
    data = editor.press(data, f"pair-add:{number}:1:values")
    data = editor.press(data, f"pair-add:{number}:1:values")
    data = {
        **data,
        f"{row}-step-1-with-values-pair-0-from": "A",
        f"{row}-step-1-with-values-pair-0-to": "B",
        f"{row}-step-1-with-otherwise-mode": "value",
        f"{row}-step-1-with-otherwise-text": "C",
    }
    data = editor.press(data, f"pair-remove:{number}:1:values:1")
    data = editor.press(data, f"step-up:{number}:1")
    data = editor.press(data, f"step-remove:{number}:1")
    assert editor.save(data).status_code == 302
    assert changes(editor) == [("Number", "name", "name, then Map values (A → B; otherwise 'C')")]


def test_conditions_are_added_and_taken_away(editor: Editor) -> None:
    data = editor.press(editor.begin(), "when-add")
    data |= {"when-0-path": "test", "when-0-op": "not_in", "when-0-values": "true\r\nyes"}
    assert editor.save(data).status_code == 302
    assert changes(editor) == [("Only when", "always", "test is none of 'true', 'yes'")]
    data = editor.press(editor.open(), "when-remove:0")
    editor.save(data)
    assert changes(editor) == []


@pytest.mark.parametrize(
    "action",
    ["", "nonsense", "rule-up:99", "rule-up:x", "step-add:-1", "pair-remove:0:0:x:0", "when-remove:0"],
)
def test_buttons_that_fit_nothing_change_nothing(editor: Editor, action: str) -> None:
    data = editor.begin()
    again = editor.press(data, action)
    assert [again[name] for name in data if name.startswith("rule-")] == [
        data[name] for name in data if name.startswith("rule-")
    ]


def test_htmx_gets_only_what_changed(editor: Editor) -> None:
    data = editor.begin()
    page = editor.client.post(editor.url("mapping_form"), {**data, "act": "rule-add"}, headers=HTMX)
    assert page.content.decode().lstrip().startswith("<form")
    data[f"{prefix_of(data, 'invoice.total')}-source"] = "subtotal_price"
    values = editor.client.post(editor.url("mapping_form"), data, headers=HTMX).content.decode()
    row = prefix_of(data, "invoice.total")
    assert f'id="{row}-value" hx-swap-oob="true">100.00 USD</output>' in values
    assert "<form" not in values
    assert 'id="mapping-status"' in values
    assert 'id="result"' in values


# ── what is wrong, where ────────────────────────────────────────────────────────────────────────────


def test_problems_stand_beside_their_inputs(editor: Editor) -> None:
    data = editor.begin()
    number, memo, total, tax = (
        prefix_of(data, target)
        for target in ("invoice.number", "invoice.reference", "invoice.total", "invoice.discount")
    )
    place = number.removeprefix("rule-")
    data = editor.press({**data, f"{number}-add": "extract"}, f"step-add:{place}")
    data = editor.press({**data, f"{number}-add": "split"}, f"step-add:{place}")
    data |= {
        f"{number}-step-0-with-pattern": "(",
        f"{number}-step-1-with-separator": "",
        f"{memo}-target": "invoice.nonsense",
        f"{total}-source": "a..b",
        f"{tax}-source": "tax_lines[].price",
    }
    form = editor.shown(data).form
    rows = {row.id: row for row in form.rules}
    pattern, separator = rows[number].steps
    assert [each.errors for each in separator.fields] == [["'Split' needs 'Separator'"], []]
    assert rows[memo].target_errors == [
        "'invoice.nonsense' is not a field of Invoice; did you mean invoice.status?"
    ]
    assert rows[total].source_errors == ["'a..b' has an empty step; write keys with single dots between them"]
    assert rows[tax].source_errors == [
        "tax_lines[].price is a list; add Sum, Count, First, Last or Join to make it one value"
    ]
    assert pattern.errors == ["'(' is not a pattern we can use: missing ): ("]
    assert editor.save(data).status_code == 302
    assert editor.shown(editor.open()).form.problem_count == 4


def test_required_fields_without_a_rule_are_listed(editor: Editor) -> None:
    data = editor.begin()
    data = editor.press(data, f"rule-remove:{prefix_of(data, 'invoice.date').removeprefix('rule-')}")
    assert editor.shown(data).form.missing == [("invoice.date", "Date is required, but has no rule")]
    data = editor.press(data, "rule-add::invoice.date")
    assert editor.shown(data).form.missing == []
    assert prefix_of(data, "invoice.date") != ""


def test_a_path_no_record_has_is_noticed(editor: Editor) -> None:
    data = editor.begin()
    row = prefix_of(data, "invoice.reference")
    shown = {each.id: each for each in editor.shown({**data, f"{row}-source": "order_reference"}).form.rules}
    assert shown[row].notice == "None of the newest records has this field."
    assert (shown["rule-0"].source, shown["rule-0"].notice) == ("id", "")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("source", "x" * 10_000, "10,000 characters; at most 500"),
        ("step-0-with-find", "x" * 10_000, "10,000 characters; at most 1,000"),
        ("step-1-with-index", "two", "'two' is not a whole number"),
        ("step-2-with-values-pair-1-from", "a", "'a' is listed twice"),
    ],
)
def test_what_cannot_be_stored_is_not_saved_and_not_lost(
    editor: Editor, name: str, text: str, words: str
) -> None:
    data = editor.begin()
    row = prefix_of(data, "invoice.reference")
    number = row.removeprefix("rule-")
    for added in ("replace", "split", "map_values"):
        data = editor.press({**data, f"{row}-add": added}, f"step-add:{number}")
    data |= {f"{row}-step-1-with-separator": "-", f"{row}-step-2-with-values-pair-0-from": "a"}
    response = editor.save({**data, f"{row}-{name}": text})
    assert response.status_code == 422
    assert words in response.content.decode().replace("&#x27;", "'")
    assert form_of(response)[f"{row}-{name}"] == text
    assert changes(editor) == []


def test_a_kind_nobody_knows_is_refused(editor: Editor) -> None:
    response = editor.save({**editor.begin(), "kind": "poem"})
    assert response.status_code == 422
    assert "is not a kind of document" in response.content.decode()


# ── documents of the mapping ────────────────────────────────────────────────────────────────────────


def test_another_kind_takes_its_fields_along(editor: Editor) -> None:
    assert editor.save({**editor.begin(), "kind": "bill"}).status_code == 302
    output = editor.stored()[0]
    assert (output.kind, output.rules[0].target) == ("bill", "bill.external_id")


def test_documents_are_added_and_taken_out(editor: Editor) -> None:
    response = editor.save(editor.begin(), then="add", new_kind="fee")
    assert "output=fee" in response.url
    assert [output.key for output in editor.stored()] == ["invoice", "refund", "credit_note", "fee"]
    assert editor.shown(editor.open(output="fee")).form.problem_count == 5
    editor.save(editor.open(output="fee"), then="remove")
    assert changes(editor) == []


def test_tabs_save_and_move_on(editor: Editor) -> None:
    data = editor.begin()
    data[f"{prefix_of(data, 'invoice.total')}-source"] = "subtotal_price"
    response = editor.save(data, then="open:refund")
    assert "output=refund" in response.url
    assert changes(editor) == [("Total", "total_price", "subtotal_price")]
    assert editor.save(editor.open(), then="review").url == editor.url("mapping_publication")
