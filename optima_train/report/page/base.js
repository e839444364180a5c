"use strict";
// Every string of a run is hostile: text enters the page through textContent only.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const nothing = (text) => element("p", { class: "soft", text });
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
function show(value) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1 ? value.toFixed(3) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
function options(select, values) {
  select.replaceChildren(element("option", { value: "", text: "all" }), ...values.map((v) => element("option", { value: v, text: v })));
}

// ---- a table whose headers sort the rows within each group; what has no value comes last either way
// columns: [{name, value(row), text(row), hint}]; groups: [{title, rows}]
function sortable(table, columns, groups) {
  let sorted = null, down = false;
  const heads = columns.map((column) => element("th", { scope: "col", ...(column.hint ? { title: column.hint } : {}) },
    element("button", { type: "button", text: column.name, onclick: () => sortBy(column) })));
  const bodies = groups.map(() => element("tbody"));
  const empty = (value) => value === null || value === undefined;
  function compare(x, y) {
    const a = sorted.value(x), b = sorted.value(y);
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    const order = isNumber(a) && isNumber(b) ? a - b : String(a).localeCompare(String(b));
    return down ? -order : order;
  }
  function fill() {
    groups.forEach(({ title, rows }, g) => {
      const cells = (row) => columns.map((column, c) => element(c ? "td" : "th", c ? {} : { scope: "row" }, column.text(row)));
      const ordered = sorted ? [...rows].sort(compare) : rows;
      const heading = title ? [element("tr", { class: "group" }, element("th", { colspan: columns.length, scope: "rowgroup" }, element("span", { text: title })))] : [];
      bodies[g].replaceChildren(...heading, ...ordered.map((row) => element("tr", {}, ...cells(row))));
    });
  }
  function sortBy(column) {
    down = sorted === column && !down;
    sorted = column;
    columns.forEach((other, c) => other === sorted ? heads[c].setAttribute("aria-sort", down ? "descending" : "ascending") : heads[c].removeAttribute("aria-sort"));
    fill();
  }
  fill();
  table.replaceChildren(element("thead", {}, element("tr", {}, ...heads)), ...bodies);
}

// ---- light and dark
const dark = matchMedia("(prefers-color-scheme: dark)");
const setTheme = (on) => { document.documentElement.dataset.theme = on ? "dark" : "light"; };
setTheme(dark.matches);
dark.addEventListener("change", (event) => setTheme(event.matches));
$("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
