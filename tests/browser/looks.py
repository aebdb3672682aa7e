"""How a page looks: nothing over the edge, nothing inaccessible, in two widths and two themes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
IMPACTS = ("serious", "critical")
# All rules once; then only those that another theme or another width can break (None: all of them).
_RULES: dict[tuple[str, str], list[str] | None] = {
    ("wide", "light"): None,
    ("wide", "dark"): ["color-contrast"],
    ("narrow", "light"): ["scrollable-region-focusable", "target-size", "label", "button-name"],
    ("narrow", "dark"): [],
}
# What is being fetched anew is faded on purpose.
_LOADED = "!document.querySelector('.htmx-request')"
# Colours half way from one theme to the other are nobody's: let every transition come to its end.
_AT_REST = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
  const finite = document.getAnimations().filter(a => a.effect.getComputedTiming().endTime < 1e6);
  Promise.allSettled(finite.map(a => a.finished)).then(() => done());
})))"""
_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# The first few elements that reach past the edge, for the message.
_CULPRITS = """[...document.querySelectorAll("main *, header *")]
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .slice(0, 5).map(e => e.tagName.toLowerCase() + "." + e.className)"""


def faults(page: Page, name: str) -> list[str]:
    """What is wrong with the page that is open, in words; screenshots go to LEDGERHUB_SCREENSHOTS."""
    found = []
    for width, size in (("wide", WIDE), ("narrow", NARROW)):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        found += _overflow(page, width)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.wait_for_function(_LOADED)
            page.evaluate(_AT_REST)
            found += _violations(page, f"{width} {theme}", rules=_RULES[width, theme])
            _keep(page, f"{name}-{width}-{theme}")
    return found


def _overflow(page: Page, where: str) -> list[str]:
    pixels = page.evaluate(_OVERFLOW)
    return [f"{where}: {pixels} px over the edge: {page.evaluate(_CULPRITS)}"] if pixels > 0 else []


def _violations(page: Page, where: str, *, rules: list[str] | None) -> list[str]:
    if rules == []:
        return []
    # Preloading would fetch style sheets anew from where they are not.
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
    if rules:
        options["runOnly"] = rules
    violations = Axe().run(page, options=options).response["violations"]
    return [
        f"{where}: {each['id']}: {node['target']} {node['html'][:160]} {node.get('failureSummary', '')}"
        for each in violations
        if each["impact"] in IMPACTS
        for node in each["nodes"][:3]
    ]


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("LEDGERHUB_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
