"""A person's browser on the mapping pages: fills in what the page's form holds, presses its buttons."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from integrations import versions
from integrations.models import Stream
from integrations.rules import Output, outputs_from_dict


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


def publish(editor: Editor, **data: str) -> Any:
    seen = editor.client.get(editor.url("mapping_publication")).context["seen"]
    return editor.client.post(editor.url("mapping_publication"), {"seen": seen, **data})


def changes(editor: Editor) -> list[tuple[str, str, str]]:
    draft = versions.draft_of(editor.stream)
    assert draft is not None
    return [(each.target, each.before, each.after) for each in versions.changes(editor.stream, draft)]
