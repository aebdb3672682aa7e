"""Books of somebody else on loopback that take documents, and fail before or after the deed when told to."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.destination import Batch, Destination, Listing, Made, Named, Parcel, Refused, Takes, Write
from integrations.spec import Bearer, Connector, Limits, Read, Setting, Test
from integrations.standing import At, Standing


def _body(parcel: Parcel) -> dict[str, Any]:
    account = parcel.names("account", parcel.journal[0].account)
    return {
        "ref": parcel.reference, "total": parcel.draft["total"], "account": account, "who": parcel.contact,
    }  # fmt: skip


def _made(answer: Mapping[str, Any]) -> Made:
    return Made(str(answer["id"]), str(answer["version"]), answer["ref"], _stands(answer))


def _stands(doc: Mapping[str, Any]) -> Standing | None:
    """Its total stands on its account and, turned, on a2; a document without accounts does not say."""
    if "account" not in doc:
        return None
    total = Decimal(doc["total"]) / 100
    lines = (At(f"account:{doc['account']}", total), At("account:a2", -total))
    return Standing(
        doc["id"],
        "Doc",
        str(doc["version"]),
        currency="USD",
        amount=total,
        note=doc.get("note", ""),
        lines=lines,
    )


def _found(answer: Any, parcel: Parcel) -> Made | None:
    rows = [row for row in answer["docs"] if not row["void"]]
    return _made(rows[0]) if rows else None


INVOICE = Takes(
    kind="invoice",
    label="Invoice",
    create=lambda parcel: Write("/docs", _body(parcel)),
    made=_made,
    find=lambda parcel: Read("/docs", {"ref": parcel.reference}),
    found=_found,
    update=lambda parcel: Write(f"/docs/{parcel.made.id}", _body(parcel) | {"version": parcel.made.version}),  # type: ignore[union-attr]
    void=lambda parcel: Write(f"/docs/{parcel.made.id}", method="DELETE"),  # type: ignore[union-attr]
)


def _journal_body(parcel: Parcel) -> dict[str, Any]:
    """Names of theirs stand for the accounts, so that one that nobody chose is missed."""
    lines = [[parcel.names("account", line.account), line.amount] for line in parcel.journal]
    total = sum(line.amount for line in parcel.journal if line.amount > 0)
    return {
        "ref": parcel.reference, "total": total, "lines": lines, "who": parcel.contact,
        "day": str(parcel.draft["date"]), "words": f"{parcel.draft['number']}: {parcel.draft.get('memo')}",
        "currency": parcel.draft["currency"],
    }  # fmt: skip


JOURNAL = Takes(
    kind="journal_entry",
    label="Journal entry",
    create=lambda parcel: Write("/docs", _journal_body(parcel)),
    made=_made,
    find=lambda parcel: Read("/docs", {"ref": parcel.reference}),
    found=_found,
    update=lambda parcel: Write(
        f"/docs/{parcel.made.id}",  # type: ignore[union-attr]
        {**_journal_body(parcel), "version": parcel.made.version},  # type: ignore[union-attr]
    ),
    void=INVOICE.void,
)
PAYOUT = replace(JOURNAL, kind="payout", label="Payout")
CONTACT = Takes(
    kind="contact",
    label="Contact",
    create=lambda parcel: Write("/people", {"name": parcel.party.name}),  # type: ignore[union-attr]
    made=lambda answer: Made(answer["id"]),
    find=lambda parcel: Read("/people", {"name": parcel.party.name}),  # type: ignore[union-attr]
    found=lambda answer, parcel: Made(answer["people"][0]["id"]) if answer["people"] else None,
)
BATCH = Batch(
    size=30,
    join=lambda pairs: Write("/batch", {"items": [{"mark": mark, **write.body} for mark, write in pairs]}),  # type: ignore[dict-item]
    split=lambda answer: {
        item["mark"]: Refused(item["problem"]) if "problem" in item else item for item in answer["items"]
    },
)


def connector(*, batch: Batch | None = None) -> Connector:
    return Connector(
        key="tiny_books",
        label="Tiny Books",
        category="accounting",
        summary="Books of the tests",
        base_url="https://books.example",
        auth=Bearer("key"),
        settings=(Setting("key", "Key", "secret"),),
        limits=Limits(per_second=10_000, burst=10_000),
        streams=(),
        test=Test(Read("/me"), lambda answer, settings: "Connected."),
        advice={401: "Make a new key."},
        destination=Destination(
            takes=(INVOICE, JOURNAL, PAYOUT),
            listings=(
                Listing("account", "Accounts", Read("/accounts", records="accounts"),
                        lambda row: Named(row["id"], row["name"], row["type"])),
            ),
            contact=CONTACT,
            nobody="Somebody",
            key_header="Idempotency-Key",
            batch=batch,
        ),
    )  # fmt: skip


@dataclass
class TinyBooks:
    """`docs` by id. `faults`, one a writing request: the answer is lost `before` or `after` the deed, or the
    status of a refusal before it. `forgets`: it does not know idempotency keys."""

    server: HTTPServer
    forgets: bool = True
    docs: dict[str, dict[str, Any]] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    refuse: set[int] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request("/me").respond_with_json({"id": "me"})
        accounts = [
            {"id": "a1", "name": "Sales", "type": "Income"},
            {"id": "a2", "name": "Bank", "type": "Bank"},
        ]
        self.server.expect_request("/accounts").respond_with_json({"accounts": accounts})
        for path in ("/docs", "/people", "/batch"):
            self.server.expect_request(path).respond_with_handler(self._answer)
        self.server.expect_request(re.compile(r"/docs/.+")).respond_with_handler(self._answer)

    def standing(self) -> list[tuple[str, int]]:
        """(our reference, total) of what is not void, in the order it came."""
        return [(doc["ref"], doc["total"]) for doc in self.docs.values() if not doc["void"]]

    def _answer(self, request: Request) -> Response:
        self.asked.append(f"{request.method} {request.path}")
        if request.method == "GET":
            return self._found(request)
        fault = self.faults.popleft() if self.faults else ""
        if fault.isdigit():
            return Response(
                json.dumps({"message": "not like this"}), int(fault), content_type="application/json"
            )
        if fault == "before":
            return Response("", 502)
        key = request.headers["Idempotency-Key"]
        if self.forgets or key not in self.answered:
            self.answered[key] = self._written(request)
        if fault == "after":
            return Response("", 502)
        return _json(self.answered[key])

    def _found(self, request: Request) -> Response:
        if request.path == "/people":
            ids = [one for one, name in self.people.items() if name == request.args["name"]]
            return _json({"people": [{"id": one} for one in ids]})
        return _json({"docs": [doc for doc in self.docs.values() if doc["ref"] == request.args["ref"]]})

    def _written(self, request: Request) -> Any:
        body = json.loads(request.get_data() or b"{}")
        if request.path == "/people":
            one = f"p{len(self.people) + 1}"
            self.people[one] = body["name"]
            return {"id": one}
        if request.path == "/batch":
            return {"items": [self._item(item) for item in body["items"]]}
        if request.path == "/docs":
            return self._made(body)
        doc = self.docs[request.path.rpartition("/")[2]]
        doc.update(
            {"void": True} if request.method == "DELETE" else {**body, "version": int(doc["version"]) + 1}
        )
        return doc

    def _item(self, item: dict[str, Any]) -> dict[str, Any]:
        if item["total"] in self.refuse:
            return {"mark": item["mark"], "problem": "This total is not allowed."}
        return {"mark": item["mark"], **self._made({name: item[name] for name in item if name != "mark"})}

    def _made(self, body: dict[str, Any]) -> dict[str, Any]:
        doc = {"id": f"d{len(self.docs) + 1}", "version": 1, "void": False, **body}
        self.docs[doc["id"]] = doc
        return doc


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")
