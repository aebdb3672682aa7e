"""Showing: the mapping editor's buttons and lists, those that every row repeats built once."""

from __future__ import annotations

from functools import lru_cache

from django import template
from django.template import Context
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from integrations.mapping_forms import step_choices, target_groups

register = template.Library()


@register.simple_tag(takes_context=True)
def act(context: Context, *parts: object) -> SafeString:
    """The attributes of a button that changes rows: `act "rule-up" 3`; a plain submit without a script."""
    url, value = context["form_url"], ":".join(map(str, parts))
    return format_html('name="act" value="{}" formaction="{}" hx-post="{}"', value, url, url)


@register.simple_tag
def target_options(kind: str, selected: str) -> SafeString:
    """The options of a rule's target; one the kind does not have is shown as such."""
    options = _targets(kind)
    if not selected:
        return options
    marked = format_html('value="{}"', selected)
    if marked in options:
        return mark_safe(options.replace(marked, f"{marked} selected", 1))
    odd = format_html('<option value="{}" selected>{} (not a field)</option>', selected, selected)
    return mark_safe(odd + options)


@register.simple_tag
@lru_cache(maxsize=1)
def step_options() -> SafeString:
    """The options of the list of steps to add."""
    return format_html_join("", '<option value="{}">{}</option>', step_choices())


@lru_cache(maxsize=64)
def _targets(kind: str) -> SafeString:
    groups = (
        (label, format_html_join("", '<option value="{}">{}</option>', rows))
        for label, rows in target_groups(kind)
    )
    return format_html_join("", '<optgroup label="{}">{}</optgroup>', groups)
