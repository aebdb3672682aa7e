"""The mapping pages as people use them: the editor with and without htmx, publishing, versions, roles."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from integrations import connectors, mapping_forms, versions
from integrations.models import MappingVersion, Quarantine, RawRecord, Stream, SyncRun
from integrations.rule_words import diff
from integrations.rules import Condition, Output, outputs_from_dict, outputs_to_dict, rule, step
from ledgerhub.access.models import AuditEvent, Organization, User
from tests.integrations.mapped import hold, make_stream, order, request_of

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


class _Form(HTMLParser):
    """What a browser would send of form#editor, the first option of a list where none is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self._inside = self._first = False
        self._list = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside |= given.get("id") == "editor"
        if not self._inside:
            return
        if tag == "input" and given.get("name"):
            self.data[given["name"]] = given.get("value", "")
        elif tag == "select":
            self._list, self._first = given.get("name", ""), True
        elif tag == "option" and self._list and (self._first or "selected" in given):
            self.data[self._list], self._first = given.get("value", ""), False
        elif tag == "textarea":
            self._area = given.get("name", "")
            self.data[self._area] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.data[self._area] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "form"
        self._list = "" if tag == "select" else self._list
        self._area = "" if tag == "textarea" else self._area


def form_of(response: HttpResponse) -> dict[str, str]:
    parser = _Form()
    parser.feed(response.content.decode())
    return parser.data


def prefix_of(data: dict[str, str], target: str) -> str:
    """`rule-6`: the row of a target."""
    name = next(name for name, value in data.items() if value == target and name.endswith("-target"))
    return name.removesuffix("-target")


class Editor:
    """The editor of one stream in one person's browser."""

    def __init__(self, client: Client, stream: Stream) -> None:
        self.client, self.stream = client, stream
        self.slug = stream.integration.organization.slug

    def url(self, name: str, *args: object) -> str:
        return reverse(f"integrations:{name}", args=[self.slug, self.stream.pk, *args])

    def begin(self, **query: str) -> dict[str, str]:
        assert self.client.post(self.url("mapping_drafts")).status_code == 302
        return self.open(**query)

    def open(self, **query: str) -> dict[str, str]:
        response = self.client.get(self.url("mapping_draft"), query)
        assert response.status_code == 200
        return form_of(response)

    def save(self, data: dict[str, str], **more: str) -> Any:
        return self.client.post(self.url("mapping_draft"), {**data, **more})

    def press(self, data: dict[str, str], action: str) -> dict[str, str]:
        """A button for rows, without a script."""
        response = self.client.post(self.url("mapping_form"), {**data, "act": action})
        assert response.status_code == 200
        return form_of(response)

    def shown(self, data: dict[str, str]) -> Any:
        return self.client.post(self.url("mapping_form"), data).context["editing"]

    def stored(self) -> tuple[Output, ...]:
        draft = versions.draft_of(self.stream)
        assert draft is not None
        return outputs_from_dict(draft.rules)


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


def changes(editor: Editor) -> list[tuple[str, str, str]]:
    draft = versions.draft_of(editor.stream)
    assert draft is not None
    return [(each.target, each.before, each.after) for each in versions.changes(editor.stream, draft)]


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


# ── two people ──────────────────────────────────────────────────────────────────────────────────────


def test_two_people_on_one_draft_lose_nothing(editor: Editor, publisher: Editor) -> None:
    mine, theirs = editor.begin(), publisher.begin()
    theirs[f"{prefix_of(theirs, 'invoice.total')}-source"] = "subtotal_price"
    assert publisher.save(theirs).status_code == 302
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    response = editor.save(mine)
    assert response.status_code == 409
    assert "Ann Approver" in response.context["editing"].conflict
    assert [(each.target, each.before, each.after) for each in response.context["editing"].theirs] == [
        ("Number", "name", "id"),
        ("Total", "subtotal_price", "total_price"),
    ]
    assert changes(editor) == [("Total", "total_price", "subtotal_price")]
    again = form_of(response)
    assert again[f"{prefix_of(again, 'invoice.number')}-source"] == "id"
    assert editor.save(again).status_code == 302
    assert changes(editor) == [("Number", "name", "id")]


def test_other_tabs_stay_as_others_saved_them(editor: Editor, publisher: Editor) -> None:
    mine, theirs = editor.begin(), publisher.begin(output="refund")
    theirs[f"{prefix_of(theirs, 'refund.memo')}-source"] = "^note"
    publisher.save(theirs)
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    editor.save(form_of(editor.save(mine)))
    assert changes(editor) == [("Number", "name", "id"), ("Memo", "note", "^note")]


def test_a_draft_published_meanwhile_goes_on_as_a_new_one(editor: Editor, publisher: Editor) -> None:
    mine = editor.begin()
    mine[f"{prefix_of(mine, 'invoice.number')}-source"] = "id"
    publish(publisher, note="first")
    response = editor.save(mine)
    assert response.status_code == 409
    assert response.context["editing"].conflict == "The draft has been published in the meantime."
    assert editor.save(form_of(response)).status_code == 302
    assert changes(editor) == [("Number", "name", "id")]


# ── publishing ──────────────────────────────────────────────────────────────────────────────────────


def publish(editor: Editor, **data: str) -> Any:
    seen = editor.client.get(editor.url("mapping_publication")).context["seen"]
    return editor.client.post(editor.url("mapping_publication"), {"seen": seen, **data})


def test_review_and_publish(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert page.context["preview"].sentence == (
        "Of all 3 records, 3 change, most often Invoice: Reference (3)."
    )
    assert publish(publisher, note="").status_code == 422
    assert publish(publisher, note="The bank quotes the id", replay="on").url == publisher.url("mapping")
    publisher.stream.refresh_from_db()
    assert publisher.stream.mapping is not None
    assert (publisher.stream.mapping.number, publisher.stream.mapping.note) == (2, "The bank quotes the id")
    assert SyncRun.objects.get().trigger == "replay"


def test_a_draft_with_problems_cannot_be_published(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.total')}-source"] = "a..b"
    publisher.save(data)
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert (len(page.context["problems"]), page.context["preview"]) == (1, None)
    assert publish(publisher, note="x").status_code == 409
    publisher.stream.refresh_from_db()
    assert publisher.stream.mapping is not None
    assert publisher.stream.mapping.number == 1


def test_the_author_does_not_publish_under_the_two_person_rule(publisher: Editor, admin: User) -> None:
    organization = publisher.stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    publisher.begin()
    page = publisher.client.get(publisher.url("mapping_publication"))
    assert page.context["refusal"] != ""
    assert publish(publisher, note="mine").status_code == 409
    other = Editor(Client(), publisher.stream)
    other.client.force_login(admin)
    assert publish(other, note="checked").status_code == 302


def test_go_back_to_an_old_version(publisher: Editor) -> None:
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    publish(publisher, note="x")
    page = publisher.client.get(publisher.url("mapping_version", 1))
    assert page.context["preview"].changed_records == 3
    assert publisher.client.post(publisher.url("mapping_restoration", 1)).status_code == 422
    response = publisher.client.post(publisher.url("mapping_restoration", 1), {"note": "It was better"})
    assert response.url == publisher.url("mapping")
    assert list(publisher.stream.mappings.order_by("number").values_list("number", "state")) == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "published"),
    ]
    again = publisher.client.post(publisher.url("mapping_restoration", 3), {"note": "x"}, follow=True)
    assert "Only a version that was published before" in again.content.decode()


def test_two_people_go_back_through_a_draft(publisher: Editor) -> None:
    publisher.begin()
    publish(publisher, note="x")
    organization = publisher.stream.integration.organization
    organization.two_person_rule = True
    organization.save()
    publisher.client.post(publisher.url("mapping_restoration", 1), {"note": "alone"})
    assert versions.draft_of(publisher.stream) is None
    publisher.client.post(publisher.url("mapping_drafts"), {"from": "1"})
    draft = versions.draft_of(publisher.stream)
    assert draft is not None
    assert draft.note == "Back to version 1"


def test_discard_and_replay(publisher: Editor) -> None:
    publisher.begin()
    assert publisher.client.post(publisher.url("mapping_removal")).status_code == 302
    assert versions.draft_of(publisher.stream) is None
    assert publisher.client.post(publisher.url("mapping_removal")).status_code == 302
    assert publisher.client.get(publisher.url("mapping_draft")).url == publisher.url("mapping")
    assert publisher.client.get(publisher.url("mapping_publication")).url == publisher.url("mapping")
    assert publisher.client.post(publisher.url("mapping_replays")).status_code == 302
    assert SyncRun.objects.get().trigger == "replay"
    SyncRun.objects.update(trigger="schedule")
    response = publisher.client.post(publisher.url("mapping_replays"), follow=True)
    assert "A sync of this stream is under way" in response.content.decode()


# ── lists, roles, outsiders, speed ──────────────────────────────────────────────────────────────────


def test_the_list_says_what_needs_somebody(editor: Editor, viewer: User, signed_in: SignIn) -> None:
    hold(editor.stream, order(9, financial_status="odd"))
    editor.begin()
    url = reverse("integrations:mappings", args=[editor.slug])
    page = signed_in(viewer).get(url)
    rows = {stream.key: stream for stream, _ in page.context["rows"]}
    assert sorted(rows) == ["balance_transactions", "customers", "orders", "payouts"]
    assert (rows["orders"].waiting, rows["orders"].draft_number, rows["orders"].draft_by) == (
        1,
        2,
        "Bo Books",
    )
    assert (page.context["drafts"], page.context["waiting"]) == (1, 1)
    assert [s.key for s, _ in signed_in(viewer).get(url, {"draft": "open"}).context["rows"]] == ["orders"]
    assert [s.key for s, _ in signed_in(viewer).get(url, {"errors": "some"}).context["rows"]] == ["orders"]
    assert signed_in(viewer).get(url, {"export": "csv"}).headers["Content-Type"].startswith("text/csv")


def test_without_streams_the_list_says_what_to_do(
    organization: Organization, viewer: User, signed_in: SignIn
) -> None:
    page = signed_in(viewer).get(reverse("integrations:mappings", args=[organization.slug]))
    assert "Connect a system" in page.content.decode()


PAGES = [
    ("get", "mapping", [], "viewer"),
    ("get", "mapping_version", [1], "viewer"),
    ("post", "mapping_drafts", [], "bookkeeper"),
    ("get", "mapping_draft", [], "bookkeeper"),
    ("post", "mapping_draft", [], "bookkeeper"),
    ("post", "mapping_form", [], "bookkeeper"),
    ("post", "mapping_removal", [], "bookkeeper"),
    ("get", "mapping_publication", [], "bookkeeper"),
    ("post", "mapping_publication", [], "approver"),
    ("post", "mapping_restoration", [1], "approver"),
    ("post", "mapping_replays", [], "approver"),
]


@pytest.mark.parametrize(("method", "name", "args", "needed"), PAGES)
def test_who_may_what(
    stream: Stream,
    method: str,
    name: str,
    args: list[int],
    needed: str,
    viewer: User,
    bookkeeper: User,
    outsider: User,
    signed_in: SignIn,
) -> None:
    organization = stream.integration.organization
    versions.open_draft(stream, request=request_of(bookkeeper, organization))
    url = reverse(f"integrations:{name}", args=[organization.slug, stream.pk, *args])
    assert getattr(signed_in(outsider), method)(url).status_code == 404
    denied = {"viewer": [], "bookkeeper": [viewer], "approver": [viewer, bookkeeper]}[needed]
    assert [getattr(signed_in(user), method)(url).status_code for user in denied] == [403] * len(denied)
    theirs = outsider.memberships.get().organization
    foreign = reverse(f"integrations:{name}", args=[theirs.slug, stream.pk, *args])
    outsider.memberships.update(role="admin")
    assert getattr(signed_in(outsider), method)(foreign).status_code == 404


def test_posts_only_where_something_changes(editor: Editor) -> None:
    for name in ("mapping_drafts", "mapping_form", "mapping_removal", "mapping_replays"):
        assert editor.client.get(editor.url(name)).status_code == 405


def test_a_handful_of_queries_whatever_the_number_of_records(
    editor: Editor, publisher: Editor, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    hold(editor.stream, *(order(number) for number in range(10, 110)))
    editor.begin()
    with django_assert_max_num_queries(20):
        editor.client.get(editor.url("mapping"))
    with django_assert_max_num_queries(20):
        editor.open()
    with django_assert_max_num_queries(25):
        publisher.client.get(publisher.url("mapping_publication"))
    with django_assert_max_num_queries(15):
        editor.client.get(reverse("integrations:mappings", args=[editor.slug]))


def test_hostile_names_in_the_form_are_ignored(editor: Editor) -> None:
    data = editor.begin()
    odd = {"rule": "x", "rule--1": "x", "rule-999999999-target": "x", "rule-0": "x", "when-0": "y", "a-": "z"}
    odd |= {"rule-0-step-0": "x", "each": "\0", f"rule-{'9' * 500}-target": "x"}
    assert editor.client.post(editor.url("mapping_form"), {**odd, **data}).status_code == 200
    assert editor.save({"output": "invoice", "seen": data["seen"]}).status_code == 422


def test_markup_in_records_and_rules_is_text(editor: Editor) -> None:
    hold(editor.stream, order(8, name='<script>alert("1")</script>'))
    data = editor.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = '"><script>x</script>'
    text = editor.client.post(editor.url("mapping_form"), data).content.decode()
    assert "<script>" not in text.replace("<script src", "")


def test_the_stored_versions_are_never_written_again(stream: Stream, publisher: Editor) -> None:
    before = MappingVersion.objects.get(stream=stream, number=1).rules
    data = publisher.begin()
    data[f"{prefix_of(data, 'invoice.reference')}-source"] = "id"
    publisher.save(data)
    publish(publisher, note="x")
    assert MappingVersion.objects.get(stream=stream, number=1).rules == before
    assert Quarantine.objects.count() == 0
