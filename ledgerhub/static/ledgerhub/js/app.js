// What pages gain from a script: theme, menus, toasts, keys on queues, running sums, formset rows.
// Every page works without it. Markup opts in by data attributes, named at the head of each part.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const MINUS = "\u2212";

  const kept = (storage) => ({
    get(key) { try { return storage().getItem(key); } catch { return null; } },
    set(key, value) { try { storage().setItem(key, value); } catch { /* not kept, still applied */ } },
  });
  const store = kept(() => localStorage);
  const session = kept(() => sessionStorage);

  // Theme: [data-theme-toggle]
  function currentTheme() {
    return document.documentElement.dataset.theme
      || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  }

  function toggleTheme() {
    const next = currentTheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    store.set("theme", next);
  }

  // Menus: details.menu closes on a click outside and on Escape
  function closeMenus(except) {
    all("details.menu[open]").filter((menu) => menu !== except).forEach((menu) => { menu.open = false; });
  }

  function escapeMenu() {
    const open = document.querySelector("details.menu[open]");
    if (!open) return false;
    open.open = false;
    open.querySelector("summary").focus();
    return true;
  }

  // Toasts: [data-toast] goes after data-keep milliseconds, never under the pointer or the focus
  function watchToast(toast) {
    if (toast.dataset.watched) return;
    toast.dataset.watched = "true";
    const leave = () => {
      if (toast.matches(":hover, :focus-within")) return setTimeout(leave, 2000);
      toast.classList.add("leaving");
      return setTimeout(() => toast.remove(), 250);
    };
    setTimeout(leave, Number(toast.dataset.keep || 6000));
  }

  function showProblem(text) {
    const box = document.createElement("div");
    const words = document.createElement("p");
    box.className = "alert danger";
    box.setAttribute("role", "alert");
    words.className = "alert-text";
    words.textContent = text;
    box.append(words);
    document.querySelector(".alerts")?.replaceChildren(box);
    box.scrollIntoView({ block: "nearest" });
  }

  // Copy: [data-copy] inside a details.payload
  async function copyPayload(button) {
    const text = button.closest(".payload").querySelector("pre").textContent;
    await navigator.clipboard.writeText(text);
    const words = button.querySelector("span");
    words.textContent = "Copied";
    setTimeout(() => { words.textContent = "Copy"; }, 1500);
  }

  // Queues: [data-queue] holds [data-item]s (or table rows); j k move, Enter opens, x selects,
  // any other key presses [data-key="<key>"] in the current item, or else on the page
  // While an item is worked on ([data-work] holds something), the queue inside it is the one that keys move.
  const openWork = () => all("[data-work]").find((work) => work.childElementCount);
  const items = () => all("[data-queue]", openWork() || document).flatMap((queue) => {
    const marked = all("[data-item]", queue);
    return marked.length ? marked : all("tbody > tr", queue);
  });
  let place = -1;
  let heldPlace = -1;

  function current() {
    const list = items();
    const focused = list.findIndex((item) => item.contains(document.activeElement));
    if (focused >= 0) place = focused;
    return list.find((item) => item.getAttribute("aria-current") === "true") || list[focused];
  }

  function goTo(index) {
    const list = items();
    if (!list.length) return;
    place = Math.max(0, Math.min(index, list.length - 1));
    list.forEach((item) => item.removeAttribute("aria-current"));
    list[place].setAttribute("aria-current", "true");
    list[place].tabIndex = -1;
    list[place].focus({ preventScroll: true });
    list[place].scrollIntoView({ block: "nearest" });
  }

  function openCurrent() {
    const item = current();
    if (!item || document.activeElement !== item) return false;
    item.querySelector("a[data-open], a.row-link, a[href]")?.click();
    return true;
  }

  function press(key) {
    const find = (root) => all(`[data-key="${CSS.escape(key)}"]`, root).find((found) => !found.disabled);
    const outside = () => all(`[data-key="${CSS.escape(key)}"]`)
      .find((found) => !found.closest("[data-item]") && !found.disabled);
    const work = openWork();
    const near = [current(), work, work?.closest("[data-item]")].filter(Boolean);
    const target = near.map(find).find(Boolean) || outside();
    if (!target) return false;
    if (target.matches("input:not([type=submit], [type=button]), select, textarea")) target.focus();
    else target.click();
    return true;
  }

  // Work on an item in place: one at a time; Escape or [data-close-work] leaves it for the item
  function openedWork(work) {
    if (!work.childElementCount) return;
    if (heldPlace < 0) heldPlace = place;
    all("[data-work]").filter((other) => other !== work).forEach((other) => other.replaceChildren());
    const field = work.querySelector("[autofocus]") || work.querySelector("select, input:not([type=hidden])");
    place = -1;
    field?.focus();
    work.scrollIntoView({ block: "nearest" });
  }

  function closeWork() {
    const work = openWork();
    if (!work) return false;
    const item = work.closest("[data-item]");
    work.replaceChildren();
    heldPlace = -1;
    goTo(items().indexOf(item));
    return true;
  }

  function closeForm(target) {
    const form = target.closest?.("details[data-focuses][open]");
    if (!form) return false;
    form.open = false;
    form.closest("[data-item]")?.focus();
    return true;
  }

  // [data-keeps-place]: a queue one comes back to where one was; emptied, it shows the next page
  const PLACE = "place";
  let leaving = false;
  const here = () => location.pathname + location.search;

  function keepPlace(target) {
    const queue = target.closest?.("[data-keeps-place]");
    if (queue) session.set(PLACE, JSON.stringify([here(), items().findIndex((item) => item.contains(target))]));
  }

  function comeBack() {
    const [page, index] = JSON.parse(session.get(PLACE) || "[]");
    session.set(PLACE, "[]");
    if (page === here() && document.querySelector("[data-keeps-place]")) goTo(index);
  }

  const MOVES = {
    j: () => { goTo(items().length ? place + 1 : -1); return items().length > 0; },
    k: () => { goTo(place - 1); return items().length > 0; },
    Enter: openCurrent,
    x: () => { const box = current()?.querySelector("[data-check]"); box?.click(); return Boolean(box); },
    "/": () => { const field = document.querySelector("main [data-search]") || document.querySelector("[data-search]"); field?.focus(); field?.select(); return Boolean(field); },
    "?": showKeys,
    Escape: escapeMenu,
  };
  const keysOn = () => store.get("keys") !== "off";
  const typing = (target) => target.isContentEditable
    || target.matches?.("input:not([type=checkbox], [type=radio], [type=button], [type=submit]), textarea, select");

  function onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      if (escapeMenu() || closeForm(event.target) || closeWork()) event.preventDefault();
      return;
    }
    if (typing(event.target) || document.querySelector("dialog[open]") || !keysOn()) return;
    const handled = MOVES[event.key] ? MOVES[event.key]() : event.key.length === 1 && press(event.key);
    if (handled) event.preventDefault();
  }

  // Help: dialog#keys lists the page's own [data-key]s by data-key-label, aria-label or text
  function pageKeys() {
    const found = new Map();
    all("[data-key]").forEach((element) => {
      const words = element.dataset.keyLabel || element.getAttribute("aria-label") || wordsOf(element);
      if (!found.has(element.dataset.key)) found.set(element.dataset.key, words);
    });
    return found;
  }

  function wordsOf(element) {
    const copy = element.cloneNode(true);
    all("kbd, svg", copy).forEach((part) => part.remove());
    return copy.textContent.trim();
  }

  function keyRow([key, words]) {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    const cap = document.createElement("kbd");
    row.dataset.pageKey = "true";
    term.textContent = words;
    cap.textContent = key;
    value.append(cap);
    row.append(term, value);
    return row;
  }

  function showKeys() {
    const dialog = document.getElementById("keys");
    if (!dialog) return false;
    const list = dialog.querySelector("[data-keys-list]");
    all("[data-page-key]", list).forEach((row) => row.remove());
    all("[data-queue-keys]", list).forEach((row) => { row.hidden = !document.querySelector("[data-queue]"); });
    list.append(...[...pageKeys()].map(keyRow));
    dialog.querySelector("[data-keys-switch]").checked = keysOn();
    dialog.showModal();
    return true;
  }

  // Selection: [data-sum] holds [data-check] boxes (data-amount in minor units, data-currency, data-exponent),
  // [data-check-all], [data-sum-output] and [data-needs-selection]; data-target shows the difference to it
  function writeMoney(minor, currency, exponent) {
    const digits = String(minor < 0n ? -minor : minor).padStart(exponent + 1, "0");
    const cut = digits.length - exponent;
    const text = exponent ? `${digits.slice(0, cut)}.${digits.slice(cut)}` : digits;
    const locale = (document.body.dataset.locale || "en-US").replace("_", "-");
    const format = new Intl.NumberFormat(locale, { minimumFractionDigits: exponent, maximumFractionDigits: exponent });
    return `${minor < 0n ? MINUS : ""}${format.format(text)}\u00a0${currency}`;
  }

  function sums(boxes) {
    const totals = new Map();
    boxes.filter((box) => box.dataset.amount).forEach(({ dataset }) => {
      const known = totals.get(dataset.currency) || { minor: 0n, exponent: Number(dataset.exponent) };
      totals.set(dataset.currency, { ...known, minor: known.minor + BigInt(dataset.amount) });
    });
    return totals;
  }

  function describeSelection(box, chosen) {
    const totals = sums(chosen);
    const parts = [...totals].map(([currency, { minor, exponent }]) => writeMoney(minor, currency, exponent));
    const target = box.dataset.target;
    if (target !== undefined && totals.size <= 1) {
      const total = totals.get(box.dataset.currency);
      const rest = BigInt(target) - (total ? total.minor : 0n);
      parts.push(rest === 0n ? "nothing left to explain"
        : `${writeMoney(rest, box.dataset.currency, Number(box.dataset.exponent))} left to explain`);
    }
    return parts;
  }

  function updateSum(box) {
    const boxes = all("[data-check]", box);
    const chosen = boxes.filter((check) => check.checked);
    const output = box.querySelector("[data-sum-output]");
    if (output) {
      output.dataset.empty ??= output.textContent;
      const parts = describeSelection(box, chosen);
      const count = document.createElement("strong");
      count.textContent = `${chosen.length} selected`;
      if (chosen.length) output.replaceChildren(count, ...parts.map((part) => ` · ${part}`));
      else output.textContent = [output.dataset.empty, ...parts].join(" · ");
    }
    all("[data-check-all]", box).forEach((check) => {
      check.checked = boxes.length > 0 && chosen.length === boxes.length;
      check.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
    });
    all("[data-needs-selection]", box).forEach((button) => { button.disabled = chosen.length === 0; });
  }

  let lastCheck = null;
  function checkRange(check) {
    const boxes = all("[data-check]", check.closest("[data-sum]"));
    const [from, to] = [boxes.indexOf(lastCheck), boxes.indexOf(check)].sort((a, b) => a - b);
    if (from >= 0) boxes.slice(from, to + 1).forEach((box) => { box.checked = check.checked; });
  }

  // Formsets: [data-formset="prefix"] holds the management form, [data-rows] and <template data-empty>;
  // rows have [data-remove], [data-up], [data-down]; [data-add] adds one
  const rowsOf = (set) => all(":scope > *", set.querySelector("[data-rows]"));
  const totalOf = (set) => set.querySelector(`[name="${set.dataset.formset}-TOTAL_FORMS"]`);

  function addRow(set) {
    const total = totalOf(set);
    const html = set.querySelector("template[data-empty]").innerHTML.replaceAll("__prefix__", total.value);
    set.querySelector("[data-rows]").insertAdjacentHTML("beforeend", html);
    total.value = Number(total.value) + 1;
    renumber(set);
    rowsOf(set).at(-1).querySelector("input:not([type=hidden]), select, textarea")?.focus();
  }

  function removeRow(set, row) {
    const box = row.querySelector('[name$="-DELETE"]');
    if (box) { box.checked = true; if (box.type === "hidden") box.value = "on"; row.hidden = true; return; }
    row.remove();
    totalOf(set).value = rowsOf(set).length;
    rowsOf(set).forEach((left, i) => reindex(set.dataset.formset, left, i));
  }

  function reindex(prefix, row, index) {
    const pattern = new RegExp(`(?<![A-Za-z0-9])${prefix}-\\d+-`, "g");
    ["name", "id", "for", "aria-describedby"].forEach((attribute) => {
      all(`[${attribute}]`, row).forEach((element) => {
        element.setAttribute(attribute, element.getAttribute(attribute).replace(pattern, `${prefix}-${index}-`));
      });
    });
  }

  function renumber(set) {
    rowsOf(set).forEach((row, i) => {
      const order = row.querySelector('[name$="-ORDER"]');
      if (order) order.value = i + 1;
    });
  }

  function moveRow(set, row, step) {
    const seen = rowsOf(set).filter((other) => !other.hidden);
    const other = seen[seen.indexOf(row) + step];
    if (!other) return;
    if (step < 0) other.before(row); else other.after(row);
    renumber(set);
    row.classList.add("moved");
    setTimeout(() => row.classList.remove("moved"), 600);
    row.querySelector(step < 0 ? "[data-up]" : "[data-down]")?.focus();
  }

  const FORMSET = {
    "[data-add]": (set) => addRow(set),
    "[data-remove]": (set, row) => removeRow(set, row),
    "[data-up]": (set, row) => moveRow(set, row, -1),
    "[data-down]": (set, row) => moveRow(set, row, 1),
  };

  function onFormset(target) {
    const set = target.closest("[data-formset]");
    const selector = set && Object.keys(FORMSET).find((one) => target.closest(one));
    if (!selector) return;
    const row = rowsOf(set).find((one) => one.contains(target));
    FORMSET[selector](set, row);
    if (selector === "[data-remove]") set.querySelector("[data-add]")?.focus();
    set.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // One listener a kind of event, so that fragments swapped in by htmx need no setting up
  document.addEventListener("click", (event) => {
    const target = event.target;
    closeMenus(target.closest("details.menu"));
    if (target.closest("[data-theme-toggle]")) toggleTheme();
    if (target.closest("[data-show-keys]")) showKeys();
    if (target.closest("[data-print]")) window.print();
    if (target.closest("[data-close-work]")) closeWork();
    if (target.closest("a[href]")) keepPlace(target);
    target.closest("[data-dismiss]")?.closest("[data-toast]")?.remove();
    const copy = target.closest("[data-copy]");
    if (copy) { event.preventDefault(); copyPayload(copy); }
    if (target.matches("[data-check]")) {
      if (event.shiftKey) checkRange(target);
      lastCheck = target;
    }
    onFormset(target);
  });

  // [data-mirror="id"]: two fields that say the same, as a number and its slider
  document.addEventListener("input", ({ target }) => {
    const other = target.dataset?.mirror && document.getElementById(target.dataset.mirror);
    if (!other || other.value === target.value) return;
    other.value = target.value;
    other.dispatchEvent(new Event("input", { bubbles: true }));
  });

  document.addEventListener("change", (event) => {
    const target = event.target;
    const box = target.closest("[data-sum]");
    if (target.matches("[data-check-all]")) {
      all("[data-check]", box).forEach((check) => { check.checked = target.checked; });
    }
    if (target.matches("[data-keys-switch]")) store.set("keys", target.checked ? "on" : "off");
    if (target.matches("[data-submit-on-change]")) target.form.requestSubmit();
    if (box) updateSum(box);
  });

  document.addEventListener("submit", (event) => keepPlace(event.submitter || event.target));
  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details[data-focuses][open]")) event.target.querySelector("input:not([type=hidden])")?.focus();
  }, true);
  document.addEventListener("keydown", onKey);
  document.addEventListener("focusin", (event) => {
    const item = items().find((one) => one.contains(event.target));
    if (item && item.getAttribute("aria-current") !== "true") {
      items().forEach((one) => one.removeAttribute("aria-current"));
      item.setAttribute("aria-current", "true");
    }
  });

  function prepare(root) {
    all("[data-toast]", root).forEach(watchToast);
    all("[data-sum]", root).forEach(updateSum);
    all("[data-theme-toggle], [data-show-keys], [data-copy], [data-print], [data-mirror]", root).forEach((button) => { button.hidden = false; });
  }

  // The server says which lines a decision settled: their cards go, wherever the decision was made
  document.addEventListener("decided", (event) => {
    event.detail.lines.forEach((line) => document.getElementById(`line-${line}`)?.remove());
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.matches?.("[data-work]")) openedWork(event.detail.target);
  });
  document.addEventListener("htmx:afterSettle", () => {
    prepare(document);
    if (!openWork() && heldPlace >= 0) { place = heldPlace; heldPlace = -1; }
    if (leaving) return;
    leaving = Boolean(document.querySelector("[data-keeps-place]")) && !items().length && !openWork();
    if (leaving) { location.reload(); return; }
    if (place >= 0 && document.activeElement === document.body) goTo(place);
  });
  document.addEventListener("htmx:responseError", (event) => {
    const { status, responseText } = event.detail.xhr;
    const reason = status === 403 && new DOMParser().parseFromString(responseText, "text/html").querySelector("main h1");
    showProblem(reason ? `${reason.textContent}. Nothing was changed.`
      : `That did not work (the server answered ${status}). Nothing was changed; reload the page and try again.`);
  });
  document.addEventListener("htmx:sendError", () => {
    showProblem("The server could not be reached. Check your connection and try again.");
  });
  prepare(document);
  comeBack();
})();
