"""Showing: the mapping editor's buttons and lists of targets."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.template import Context
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

Groups = Sequence[tuple[str, Sequence[tuple[str, str]]]]


@register.simple_tag(takes_context=True)
def act(context: Context, *parts: object) -> SafeString:
    """The attributes of a button that changes rows: `act "rule-up" 3`; a plain submit without a script."""
    url = reverse("integrations:mapping_form", args=[context["organization"].slug, context["stream"].pk])
    value = ":".join(map(str, parts))
    return format_html('name="act" value="{}" formaction="{}" hx-post="{}"', value, url, url)


@register.simple_tag(takes_context=True)
def target_options(context: Context, groups: Groups, selected: str) -> SafeString:
    """The options of a target list; built once a page, for every rule has the same."""
    built = context.render_context.get("target_options")
    if built is None:
        built = context.render_context["target_options"] = _options(groups)
    known = any(target == selected for _, targets in groups for target, _ in targets)
    if selected and not known:
        odd = format_html('<option value="{}" selected>{} (not a field)</option>', selected, selected)
        return mark_safe(odd + built)  # noqa: S308 -- both parts are escaped
    marked = format_html('value="{}"', selected)
    return mark_safe(built.replace(marked, f"{marked} selected", 1)) if selected else built  # noqa: S308


def _options(groups: Groups) -> SafeString:
    return format_html_join(
        "",
        '<optgroup label="{}">{}</optgroup>',
        ((label, format_html_join("", '<option value="{}">{}</option>', rows)) for label, rows in groups),
    )
