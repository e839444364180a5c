const COLOURS = ["var(--accent)", "var(--bad)", "var(--good)", "var(--ink)", "var(--soft)"];
const BOX = { width: 520, height: 300, left: 58, right: 20, top: 14, bottom: 42 };

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
const interval = (name, row) => name === "score" && row.score_ci ? ` [${show(row.score_ci[0])}, ${show(row.score_ci[1])}]` : "";
const columns = data.columns.map((name) => ({ name, value: (row) => row[name], text: (row) => show(row[name]) + interval(name, row) }));

// ---- plots
function drawScores() {
  const points = data.results.filter((r) => isNumber(r.tokens) && isNumber(r.score));
  if (!points.length) return $("plot-score").replaceChildren(nothing("No evaluation yet."));
  const tokens = points.map((r) => Math.max(r.tokens, 1));
  const low = Math.min(...tokens) * 0.8, high = Math.max(...tokens) * 1.25;
  const top = Math.max(1, ...points.map((r) => (r.score_ci ?? [0, r.score])[1]));
  const x = scale(low, high, BOX.left, BOX.width - BOX.right, true), y = scale(0, top, BOX.height - BOX.bottom, BOX.top);
  const svg = frame(BOX, logSteps(low, high), steps(0, top), x, y, "tokens per dialogue (log scale)", "score");
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
  const svg = frame(BOX, xs, steps(low, high), x, y, "iteration", "mean over dialogues");
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
