"""A shop of a few orders on loopback, page by page as a test lays them out, that fails when it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.paging import BodyToken
from integrations.rules import Condition, Output, rule, step
from integrations.spec import Bearer, Connector, Headers, Incremental, Learned, Limits, Read, Setting, Stream

Order = dict[str, Any]


def order(number: int, *, amount: str = "10.00", updated: str = "", **fields: Any) -> Order:
    stamp = updated or f"2026-03-02T12:{number:02}:00Z"
    return {
        "id": number,
        "updated_at": stamp,
        "currency": "USD",
        "lines": [{"title": "Mug", "amount": amount}],
        **fields,
    }


def two_a_page(count: int) -> list[list[Order]]:
    """Orders 1 to `count`, two a page."""
    return [
        [order(number) for number in range(start, min(start + 2, count + 1))]
        for start in range(1, count + 1, 2)
    ]


@dataclass
class TinyShop:
    """`failing`: page number -> (status, headers) instead of the page; `meanwhile`: what happens, in this
    process, between the answer of a page and its writing; `asked`: the questions that came."""

    server: HTTPServer
    pages: list[list[Order]] = field(default_factory=list)
    failing: dict[int, tuple[int, dict[str, str]]] = field(default_factory=dict)
    meanwhile: dict[int, Callable[[], object]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request("/orders").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.asked.append(dict(request.args))
        number = int(request.args.get("page", "0"))
        if number in self.failing:
            status, headers = self.failing[number]
            return Response("{}", status, {"Content-Type": "application/json", **headers})
        after = str(number + 1) if number + 1 < len(self.pages) else None
        body = json.dumps({"number": number, "orders": self.pages[number], "next": after})
        return Response(body, 200, {"Content-Type": "application/json"})

    def _learn(self, headers: Headers, body: Any) -> Learned | None:
        act = self.meanwhile.pop(body["number"], None) if body else None
        if act is not None:
            act()
        return None

    @property
    def connector(self) -> Connector:
        return Connector(
            key="tiny",
            label="Tiny Shop",
            category="shop",
            summary="A shop of the tests",
            base_url="https://tiny.example",
            auth=Bearer("key"),
            settings=(Setting("key", "Key", "secret"),),
            limits=Limits(per_second=1000, burst=1000, learn=self._learn),
            streams=(ORDERS,),
            advice={401: "Make a new key."},
        )


def _shape(order: Order) -> Order:
    return {**order, "titles": [line["title"] for line in order["lines"]]}


ORDERS = Stream(
    key="orders",
    label="Orders",
    read=Read("/orders", {}, "orders", BodyToken("page", "next")),
    incremental=Incremental("updated_at", "since", overlap=600),
    updated="updated_at",
    shape=_shape,
    outputs=(
        Output(
            key="invoice",
            kind="invoice",
            when=(Condition("cancelled", "empty"),),
            rules=(
                rule("invoice.external_id", "id"),
                rule("invoice.date", "updated_at", "iso_date"),
                rule("invoice.currency", "currency"),
                rule("invoice.status", "", step("constant", value="open")),
                rule("invoice.total", "lines", step("sum", path="amount")),
                rule("customer.external_id", "customer.id"),
                rule("customer.name", "customer.name"),
                rule("lines[].description", "lines[].title"),
                rule("lines[].amount", "lines[].amount", "decimal"),
            ),
        ),
    ),
)
