"use strict";
// Every string of the run is hostile: text enters the page through textContent only.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["var(--accent)", "var(--bad)", "var(--good)", "var(--ink)", "var(--soft)"];

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
function shape(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
function show(value) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1 ? value.toFixed(3) : Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

// ---- header, tiles, settings
function drawHead() {
  const first = data.results[0], last = data.results[data.results.length - 1];
  $("title").textContent = `Optima run ${data.name}`;
  document.title = `Optima report: ${data.name}`;
  $("subtitle").textContent = data.subtitle;
  $("settings").textContent = data.settings;
  const tiles = [];
  if (data.results.length > 1) {
    tiles.push(["score", `${show(first.score)} → ${show(last.score)}`], ["tokens per dialogue", `${show(first.tokens)} → ${show(last.tokens)}`],
      ["turns per dialogue", `${show(first.turns)} → ${show(last.turns)}`], ["held-out instances", show(last.n)]);
  }
  tiles.push(["dialogues on record", String(data.total)]);
  $("tiles").replaceChildren(...tiles.map(([name, value]) =>
    element("div", { class: "tile" }, element("span", { class: "soft", text: name }), element("b", { text: value }))));
}

// ---- results table
const sorting = { column: null, descending: false };
function drawTable() {
  const columns = data.columns;
  const rows = data.results.map((row, index) => ({ row, index }));
  if (sorting.column !== null) {
    rows.sort((x, y) => {
      const a = x.row[sorting.column], b = y.row[sorting.column];
      const order = isNumber(a) && isNumber(b) ? a - b : String(a ?? "").localeCompare(String(b ?? ""));
      return (sorting.descending ? -order : order) || x.index - y.index;
    });
  }
  const head = element("tr", {}, ...columns.map((name) => {
    const cell = element("th", { scope: "col" }, element("button", {
      type: "button", text: name,
      onclick: () => {
        sorting.descending = sorting.column === name ? !sorting.descending : false;
        sorting.column = name;
        drawTable();
      },
    }));
    if (sorting.column === name) cell.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
    return cell;
  }));
  const body = rows.map(({ row }) => element("tr", {}, ...columns.map((name) => {
    const interval = name === "score" && row.score_ci ? ` [${show(row.score_ci[0])}, ${show(row.score_ci[1])}]` : "";
    return element("td", { text: show(row[name]) + interval });
  })));
  $("results").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
}

// ---- plots
const BOX = { width: 520, height: 300, left: 58, right: 20, top: 14, bottom: 42 };
function scale(low, high, from, to, logarithmic = false) {
  const f = logarithmic ? Math.log10 : (x) => x;
  const span = f(high) - f(low) || 1;
  return (value) => from + ((f(value) - f(low)) / span) * (to - from);
}
function steps(low, high, count = 5) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? rough;
  const result = [];
  for (let v = Math.ceil(low / size) * size; v <= high + size * 1e-6; v += size) result.push(Number(v.toPrecision(10)));
  return result;
}
function logSteps(low, high) {
  const result = [];
  for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) for (const m of [1, 2, 5]) {
    const v = m * 10 ** p;
    if (v >= low * 0.999 && v <= high * 1.001) result.push(v);
  }
  return result;
}
function frame(xs, ys, x, y, xName, yName) {
  const svg = shape("svg", { viewBox: `0 0 ${BOX.width} ${BOX.height}`, role: "img" });
  for (const v of xs) {
    svg.append(shape("line", { class: "axis", x1: x(v), x2: x(v), y1: BOX.top, y2: BOX.height - BOX.bottom }));
    svg.append(shape("text", { x: x(v), y: BOX.height - BOX.bottom + 16, "text-anchor": "middle" }, String(v)));
  }
  for (const v of ys) {
    svg.append(shape("line", { class: "axis", x1: BOX.left, x2: BOX.width - BOX.right, y1: y(v), y2: y(v) }));
    svg.append(shape("text", { x: BOX.left - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)));
  }
  svg.append(shape("text", { x: (BOX.left + BOX.width - BOX.right) / 2, y: BOX.height - 6, "text-anchor": "middle" }, xName));
  svg.append(shape("text", { x: 12, y: (BOX.top + BOX.height - BOX.bottom) / 2, "text-anchor": "middle",
    transform: `rotate(-90 12 ${(BOX.top + BOX.height - BOX.bottom) / 2})` }, yName));
  return svg;
}
const nothing = (text) => element("p", { class: "soft", text });
function drawScores() {
  const points = data.results.filter((r) => isNumber(r.tokens) && isNumber(r.score));
  if (!points.length) return $("plot-score").replaceChildren(nothing("No evaluation yet."));
  const tokens = points.map((r) => Math.max(r.tokens, 1));
  const low = Math.min(...tokens) * 0.8, high = Math.max(...tokens) * 1.25;
  const top = Math.max(1, ...points.map((r) => (r.score_ci ?? [0, r.score])[1]));
  const x = scale(low, high, BOX.left, BOX.width - BOX.right, true), y = scale(0, top, BOX.height - BOX.bottom, BOX.top);
  const svg = frame(logSteps(low, high), steps(0, top), x, y, "tokens per dialogue (log scale)", "score");
  svg.append(shape("polyline", { points: points.map((r) => `${x(Math.max(r.tokens, 1))},${y(r.score)}`).join(" "), fill: "none", stroke: "var(--soft)", "stroke-dasharray": "4 4" }));
  points.forEach((r, i) => {
    const cx = x(Math.max(r.tokens, 1)), cy = y(r.score);
    if (r.score_ci) svg.append(shape("line", { x1: cx, x2: cx, y1: y(r.score_ci[0]), y2: y(r.score_ci[1]), stroke: "var(--accent)", "stroke-width": 1.5 }));
    const dot = shape("circle", { cx, cy, r: 5, fill: i === 0 ? "var(--bad)" : "var(--accent)" });
    dot.append(shape("title", {}, `${r.label}: score ${show(r.score)}, ${show(r.tokens)} tokens`));
    svg.append(dot);
    // ends carry their name; the points between are numbered so that a crowd stays readable
    const end = i === 0 || i === points.length - 1;
    const left = cx > BOX.width * 0.7;
    svg.append(shape("text", { class: "label", x: cx + (left ? -9 : 9), y: cy + (i % 2 ? 16 : -8), "text-anchor": left ? "end" : "start" }, end ? r.label : String(r.iteration ?? i)));
  });
  $("plot-score").replaceChildren(svg);
}
function drawTerms() {
  const names = Object.keys(data.terms);
  const points = names.flatMap((name) => data.terms[name]);
  if (!points.length) return $("plot-terms").replaceChildren(nothing("No ranked dialogues yet."));
  const xs = [...new Set(points.map(([i]) => i))].sort((a, b) => a - b);
  const ys = points.map(([, v]) => v);
  const low = Math.min(0, ...ys), high = Math.max(...ys, low + 0.1);
  const x = scale(xs[0] - 0.25, xs[xs.length - 1] + 0.25, BOX.left, BOX.width - BOX.right), y = scale(low, high, BOX.height - BOX.bottom, BOX.top);
  const svg = frame(xs, steps(low, high), x, y, "iteration", "mean over dialogues");
  names.forEach((name, k) => {
    const colour = COLOURS[k % COLOURS.length];
    svg.append(shape("polyline", { points: data.terms[name].map(([i, v]) => `${x(i)},${y(v)}`).join(" "), fill: "none", stroke: colour, "stroke-width": 2 }));
    for (const [i, v] of data.terms[name]) {
      const dot = shape("circle", { cx: x(i), cy: y(v), r: 4, fill: colour });
      dot.append(shape("title", {}, `${name}, iteration ${i}: ${show(v)}`));
      svg.append(dot);
    }
  });
  const legend = element("p", { class: "soft" });
  names.forEach((name, k) => {
    const swatch = element("span", { text: "● " });
    swatch.style.color = COLOURS[k % COLOURS.length];
    legend.append(swatch, name + "\u2003");
  });
  $("plot-terms").replaceChildren(svg, legend);
}

drawHead();
drawTable();
drawScores();
drawTerms();
const dark = matchMedia("(prefers-color-scheme: dark)");
const setTheme = (on) => { document.documentElement.dataset.theme = on ? "dark" : "light"; };
setTheme(dark.matches);
dark.addEventListener("change", (event) => setTheme(event.matches));
$("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
