"use strict";

// --- small tools -----------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

/** An element: make("td", {class: "number"}, "12", child…). Text is always text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

async function ask(name, query = {}) {
  const reply = await fetch(`api/${name}?${new URLSearchParams(query)}`);
  return told(reply);
}

async function tell(name, content) {
  const headers = { "Content-Type": "application/json", "X-Emulator-Page": "1" };
  return told(await fetch(`api/${name}`, { method: "POST", headers, body: JSON.stringify(content) }));
}

async function told(reply) {
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.error);
  return content;
}

let hush;
function say(text) {
  ($("record").open ? $("record") : document.body).append($("message")); // what lies below a dialog is not seen
  $("message").textContent = text;
  clearTimeout(hush);
  hush = setTimeout(() => { $("message").textContent = ""; }, 5000);
}

const clock = (epoch) => new Date(epoch * 1000).toLocaleTimeString([], { hour12: false });
const count = (number) => number.toLocaleString("en");
const size = (bytes) => (bytes < 1024 ? `${bytes} B` : bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`);
const text = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
const shown = (value) => (value === null || value === undefined || value === "" ? make("span", { class: "none", "aria-label": "empty" }, "–") : text(value));

// --- what is looked at, kept in the address ---------------------------------------------------------------

const view = { tab: "records", object: "", search: "", page: 1 };
let overview = { objects: [], requests: 0, changes: 0, id_field: "id" };

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  view.tab = said.get("tab") ?? "records";
  view.object = said.get("object") ?? "";
  view.search = said.get("search") ?? "";
  view.page = Number(said.get("page") ?? 1);
}

function look(change) {
  Object.assign(view, { page: 1 }, change);
  const said = Object.entries(view).filter(([name, value]) => value && !(name === "page" && value === 1));
  history.replaceState(null, "", `#${new URLSearchParams(said)}`);
  return show();
}

// --- the three sheets ------------------------------------------------------------------------------------

const sheets = {
  records: {
    name: "records",
    style: "records",
    query: () => ({ object: view.object, search: view.search }),
    empty: () => (view.search ? "No record holds that." : "There are no records yet."),
    columns: (data) => data.columns.map((name) => heading(name, data.rows.some((row) => typeof row[name] === "number"))),
    row: recordRow,
  },
  changes: {
    name: "changes",
    style: "cards",
    empty: () => "Nothing has been changed yet.",
    columns: () => ["Time", "Record", "Field", "Old → new", "By"].map((name) => heading(name)),
    row: (change) => make("tr", {},
      make("td", { class: "when" }, clock(change.at)),
      make("td", {}, `${change.object} `, recordLink(change.object, change.id)),
      make("td", { class: "mono" }, change.field || "record"),
      make("td", { class: "wide" }, ...oldToNew(change)),
      make("td", {}, author(change))),
  },
  requests: {
    name: "requests",
    style: "cards",
    empty: () => "Nobody has asked anything yet.",
    columns: () => ["#", "Time", "Status", "Method", "Target", "Took", "In", "Out"].map((name) => heading(name, ["#", "Took", "In", "Out"].includes(name))),
    row: (asked) => make("tr", {},
      make("td", { class: "number" }, `#${asked.number}`),
      make("td", { class: "when" }, clock(asked.at)),
      make("td", {}, status(asked)),
      make("td", { class: "mono" }, asked.method),
      make("td", { class: "target wide" }, readable(asked.target)),
      make("td", { class: "number" }, `${(asked.seconds * 1000).toFixed(1)} ms`),
      make("td", { class: "number", title: "received" }, size(asked.received)),
      make("td", { class: "number", title: "sent" }, size(asked.sent))),
  },
};

function heading(name, isNumber = false) {
  return make("th", { scope: "col", class: isNumber ? "number" : null }, name);
}

function recordRow(record, data) {
  const [id, ...others] = data.columns;
  const cells = others.map((name) => make("td", { class: typeof record[name] === "number" ? "number" : null, title: text(record[name] ?? "") }, shown(record[name])));
  const open = () => openRecord(view.object, record[id]);
  return make("tr", { onclick: open }, make("th", { scope: "row" }, recordLink(view.object, record[id])), ...cells);
}

function recordLink(object, id) {
  const open = (event) => { event.stopPropagation(); openRecord(object, id); };
  return make("button", { type: "button", class: "link", onclick: open }, id);
}

function oldToNew(change) {
  if (change.kind !== "changed") return [make(change.kind === "created" ? "ins" : "del", {}, change.kind)];
  return [make("span", { class: "unseen" }, "was "), make("del", {}, shown(change.old)), make("span", { class: "arrow", "aria-label": "now" }, "→"), make("ins", {}, shown(change.new))];
}

function author(change) {
  return change.request === null ? make("span", { class: "person" }, change.by) : make("span", {}, `request #${change.request}`);
}

function status(asked) {
  const kind = asked.status < 400 ? "ok" : asked.status < 500 ? "refused" : "broken";
  if (asked.status === 0) return make("span", { class: "badge" }, "lost before it was carried out");
  const parts = [make("span", { class: `status ${kind}` }, String(asked.status))];
  if (asked.fault) parts.push(make("span", { class: "badge" }, asked.fault === "Drop" ? "reply lost" : asked.fault.toLowerCase()));
  return make("span", { class: "answer" }, ...parts);
}

function readable(target) {
  try { return decodeURIComponent(target.replaceAll("+", " ")); } catch { return target; }
}

let asking = 0;
async function show() {
  const sheet = sheets[view.tab] ?? sheets.records;
  drawFrame(sheet);
  if (sheet === sheets.records && !view.object) return drawRows(sheet, { total: 0, page: 1, pages: 1, rows: [] });
  const mine = ++asking;
  const data = await ask(sheet.name, { page: view.page, ...sheet.query?.() });
  if (mine === asking) drawRows(sheet, data);
}

function drawFrame(sheet) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.tab === sheet.name;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  $("panel").setAttribute("aria-labelledby", `tab-${sheet.name}`);
  $("tools").hidden = sheet !== sheets.records;
  if ($("search").value !== view.search) $("search").value = view.search;
}

function drawRows(sheet, data) {
  const some = data.rows.length > 0;
  $("sheet").hidden = !some;
  $("empty").hidden = some;
  $("empty").textContent = some ? "" : sheet.empty();
  $("pager").hidden = data.pages === 1 && !some;
  const first = (data.page - 1) * 50 + 1;
  $("range").textContent = some ? `${count(first)}–${count(first + data.rows.length - 1)} of ${count(data.total)}` : "";
  $("previous").disabled = data.page <= 1;
  $("next").disabled = data.page >= data.pages;
  view.page = data.page;
  if (!some) return;
  $("table").className = sheet.style;
  $("table").replaceChildren(
    make("thead", {}, make("tr", {}, ...sheet.columns(data))),
    make("tbody", {}, ...data.rows.map((row) => sheet.row(row, data))));
}

// --- one record ------------------------------------------------------------------------------------------

const opened = { object: "", id: "", editing: false };

async function openRecord(object, id) {
  Object.assign(opened, { object, id, editing: false });
  drawRecord(await ask("record", { object, id }));
  if (!$("record").open) $("record").showModal();
}

function drawRecord({ record, editable, history: past }) {
  $("record-name").replaceChildren(`${opened.object} `, make("code", {}, opened.id));
  $("values").replaceChildren(...ranked(record ?? {}, editable).map((name) => fieldRow(name, record[name], editable.includes(name))));
  if (!record) $("values").append(make("tr", {}, make("td", {}, "This record has been deleted.")));
  const items = past.map((change) => make("li", {}, make("span", { class: "when" }, `${clock(change.at)} · `, author(change)), make("code", {}, change.field || "record"), " ", ...oldToNew(change)));
  $("history").replaceChildren(...(items.length ? items : [make("li", { class: "none" }, "Unchanged since it was made.")]));
}

/** The id first, then what can be edited, what holds something before what does not. */
function ranked(record, editable) {
  const rank = (name) => (name === overview.id_field ? 0 : editable.includes(name) ? (record[name] === null ? 2 : 1) : 3);
  return Object.keys(record).sort((one, other) => rank(one) - rank(other));
}

function fieldRow(name, value, editable) {
  const fixed = !editable || (typeof value === "object" && value !== null);
  const edit = make("button", { type: "button", "aria-label": `Edit ${name}`, onclick: () => startEdit(row, name, value) }, "Edit");
  const row = make("tr", { "data-field": name }, make("th", { scope: "row" }, name), make("td", {}, shown(value)), make("td", {}, fixed ? "" : edit));
  return row;
}

function startEdit(row, name, value) {
  opened.editing = true;
  const input = control(name, value);
  const problem = make("span", { class: "problem", role: "alert" });
  const save = async (wanted) => {
    try {
      const now = await tell("edit", { object: opened.object, id: opened.id, field: name, value: wanted });
      opened.editing = false;
      drawRecord(now);
      say(`${name} is changed, by a person.`);
      document.querySelector(`[data-field="${CSS.escape(name)}"] button`)?.focus();
      await refresh();
    } catch (error) { problem.textContent = error.message; }
  };
  const form = make("form", { class: "edit", onsubmit: (event) => { event.preventDefault(); save(written(input, value)); } },
    input,
    make("button", { class: "save" }, "Save"),
    make("button", { type: "button", onclick: () => save(null), disabled: value === null ? "" : null }, "Empty"),
    make("button", { type: "button", onclick: () => openRecord(opened.object, opened.id) }, "Cancel"),
    problem);
  const cell = make("td", { colspan: 2 }, form);
  row.replaceChildren(row.firstChild, cell);
  input.focus();
  input.select?.();
}

function control(name, value) {
  if (typeof value !== "boolean") return make("input", { "aria-label": name, value: value ?? "", inputmode: typeof value === "number" ? "decimal" : null, autocomplete: "off" });
  const choices = ["true", "false"].map((each) => make("option", { selected: String(value) === each ? "" : null }, each));
  return make("select", { "aria-label": name }, ...choices);
}

/** What was typed, as the kind of value that stood there before. */
function written(input, before) {
  if (typeof before === "boolean") return input.value === "true";
  if (input.value === "") return null;
  const number = Number(input.value);
  return typeof before === "number" && Number.isFinite(number) ? number : input.value;
}

// --- keeping up ------------------------------------------------------------------------------------------

function drawOverview() {
  document.title = overview.title;
  $("title").textContent = overview.title;
  $("origin").textContent = location.origin;
  const totals = { records: overview.objects.reduce((sum, each) => sum + each.records, 0), changes: overview.changes, requests: overview.requests };
  for (const tab of document.querySelectorAll("[role=tab]")) tab.querySelector(".count").textContent = count(totals[tab.dataset.tab]);
  for (const button of document.querySelectorAll("[data-fault]")) {
    button.hidden = !overview.faults.includes(button.dataset.fault);
    button.classList.toggle("waiting", overview.waiting.includes(button.dataset.fault));
  }
  drawObjects();
}

function drawObjects() {
  const names = overview.objects.map((each) => each.name);
  if (!names.includes(view.object)) view.object = (overview.objects.find((each) => each.records) ?? overview.objects[0])?.name ?? "";
  const options = overview.objects.map((each) => make("option", { value: each.name }, `${each.name} (${count(each.records)})`));
  $("object").replaceChildren(...options);
  $("object").value = view.object;
}

async function refresh() {
  const before = JSON.stringify(overview);
  overview = await ask("overview");
  if (JSON.stringify(overview) === before) return;
  drawOverview();
  await show();
  if ($("record").open && !opened.editing) drawRecord(await ask("record", { object: opened.object, id: opened.id }));
}

async function keepUp() {
  try { if (!document.hidden) await refresh(); } catch { say("The emulator does not answer."); }
  setTimeout(keepUp, 1500);
}

const lost = { "lose-reply": "The next request will be carried out, and its reply lost.", unavailable: "The next request will be answered 503.", "expire-token": "Every access token has expired." };

function listen() {
  for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => look({ tab: tab.dataset.tab }));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs.at((tabs.indexOf(event.target) + step) % tabs.length);
    next.focus();
    next.click();
  });
  for (const button of document.querySelectorAll("[data-fault]")) {
    button.addEventListener("click", async () => { overview = await tell("fault", { kind: button.dataset.fault }); drawOverview(); say(lost[button.dataset.fault]); });
  }
  $("object").addEventListener("change", (event) => look({ object: event.target.value }));
  let typing;
  $("search").addEventListener("input", (event) => { clearTimeout(typing); typing = setTimeout(() => look({ search: event.target.value }), 200); });
  $("previous").addEventListener("click", () => look({ page: view.page - 1 }));
  $("next").addEventListener("click", () => look({ page: view.page + 1 }));
  $("close").addEventListener("click", () => $("record").close());
  $("record").addEventListener("cancel", (event) => { if (opened.editing) { event.preventDefault(); openRecord(opened.object, opened.id); } });
  $("record").addEventListener("click", (event) => { if (event.target === $("record")) $("record").close(); });
  window.addEventListener("hashchange", () => { readAddress(); show(); });
}

readAddress();
listen();
keepUp();
