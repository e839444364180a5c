// ---- plots, drawn at the width there is, so that their text keeps its size on a phone
const COLOURS = Array.from({ length: 8 }, (_, i) => `var(--s${i})`);
const MARKERS = ["circle", "square", "triangle", "diamond"];
const BLOCK_MARKS = { fair: [COLOURS[0], "circle"], oracle: [COLOURS[1], "square"], feedback: [COLOURS[2], "triangle"] };
const blockMark = (name) => BLOCK_MARKS[name] ?? [COLOURS[7], "diamond"];

function fitted(host, draw) {
  let drawn = 0;
  new ResizeObserver(() => {
    const width = Math.max(260, Math.floor(host.clientWidth));
    if (width !== drawn) { drawn = width; host.replaceChildren(...draw(width)); }
  }).observe(host);
}
function mark(kind, x, y, r, colour, filled = true) {
  const look = { fill: filled ? colour : "var(--card)", stroke: colour, "stroke-width": 1.6 };
  if (kind === "circle") return shape("circle", { cx: x, cy: y, r, ...look });
  const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], triangle: [[0, -1.2], [1.15, 0.9], [-1.15, 0.9]], diamond: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] }[kind];
  const size = kind === "square" ? r * 0.88 : r;
  return shape("polygon", { points: corners.map(([dx, dy]) => `${x + dx * size},${y + dy * size}`).join(" "), ...look });
}
function legend(entries) {
  return element("div", { class: "legend" }, ...entries.map(({ name, node }) => {
    const svg = shape("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" });
    svg.append(...node);
    return element("span", {}, svg, name);
  }));
}
const line = (x1, y1, x2, y2, more) => shape("line", { x1, y1, x2, y2, ...more });

function scatter(width, rows, env) {
  const box = { width, height: width < 520 ? 330 : 400, left: 50, right: 14, top: 12, bottom: 42 };
  const xOf = (row) => Math.max(row.tokens, 1), topOf = (row) => (row.score_ci ?? [0, row.score])[1];
  const xs = rows.flatMap((row) => [row.tokens, ...(row.tokens_ci ?? [])].map((tokens) => Math.max(tokens, 1)));
  const low = Math.min(...xs) * 0.75, high = Math.max(...xs) * 1.35, top = Math.max(1, ...rows.map(topOf));
  const x = scale(low, high, box.left, width - box.right, true), y = scale(0, top, box.height - box.bottom, box.top);
  const svg = frame(box, logSteps(low, high, width < 520 ? 6 : 12), steps(0, top), x, y, "completion tokens (log scale)", "score");
  svg.setAttribute("aria-label", `score against tokens on ${env}; the table below holds the numbers`);
  const front = rows.filter((row) => row.pareto).sort((a, b) => a.tokens - b.tokens);
  let path = "";
  front.forEach((row, i) => { path += i ? `H${x(xOf(row))}V${y(row.score)}` : `M${x(xOf(row))},${y(row.score)}`; });
  if (path) svg.append(shape("path", { d: path, class: "front" }));
  for (const row of rows) {
    const look = { stroke: blockMark(row.block)[0], opacity: 0.55 };
    if (row.score_ci) svg.append(line(x(xOf(row)), y(row.score_ci[0]), x(xOf(row)), y(row.score_ci[1]), look));
    if (row.tokens_ci) svg.append(line(x(Math.max(row.tokens_ci[0], 1)), y(row.score), x(Math.max(row.tokens_ci[1], 1)), y(row.score), look));
  }
  const points = rows.map((row) => [x(xOf(row)), y(row.score)]);
  const numbered = width < 520 && rows.length > 8; // names would cover the points
  const names = rows.map((row, i) => numbered ? String(i + 1) : row.label);
  const boxes = placeNames(points, names, [box.left, box.top - 8, width, box.height - box.bottom]);
  rows.forEach((row, i) => {
    const [colour, kind] = blockMark(row.block), [px, py] = points[i], name = boxes[i];
    const nearX = Math.min(Math.max(px, name[0]), name[2]), nearY = Math.min(Math.max(py, name[1]), name[3]);
    if (Math.hypot(nearX - px, nearY - py) > 18) svg.append(line(px, py, nearX, nearY, { class: "lead" }));
    const dot = mark(kind, px, py, 5, colour, Boolean(row.pareto));
    dot.append(shape("title", {}, `${row.label}: score ${show(row.score)} ${edges(row.score_ci)}, ${show(row.tokens)} tokens ${edges(row.tokens_ci)}`));
    svg.append(dot, shape("text", { class: "name", x: (name[0] + name[2]) / 2, y: (name[1] + name[3]) / 2 + 4, "text-anchor": "middle" }, names[i]));
  });
  const entries = blockNames.filter((name) => rows.some((row) => row.block === name)).map((name) => ({ name, node: [mark(blockMark(name)[1], 11, 6, 4.5, blockMark(name)[0])] }));
  if (path) entries.push({ name: "Pareto front (filled marks)", node: [line(0, 6, 22, 6, { class: "front" })] });
  const key = numbered ? [legend(rows.map((row, i) => ({ name: `${i + 1} ${row.label}`, node: [mark(blockMark(row.block)[1], 11, 6, 4, blockMark(row.block)[0], Boolean(row.pareto))] })))] : [];
  return [svg, legend(entries), ...key];
}

function curve(width, told) {
  const lines = told.series.map((s, number) => {
    const keep = s.x.map((_, i) => i).filter((i) => !told.log_x || s.x[i] > 0);
    const pick = (values) => values ? keep.map((i) => values[i]) : null;
    return { label: s.label, number, x: pick(s.x), y: pick(s.y), low: pick(s.low), high: pick(s.high) };
  }).filter((s) => s.x.length);
  if (!lines.length) return [nothing("No points.")];
  const direct = width >= 520, longest = Math.max(...lines.map((s) => textWidth(s.label)));
  const box = { width, height: 320, left: 50, right: direct ? Math.min(longest + 26, width * 0.4) : 14, top: 12, bottom: 42 };
  const xs = [...new Set(lines.flatMap((s) => s.x))].sort((a, b) => a - b), ys = lines.flatMap((s) => [...s.y, ...(s.low ?? []), ...(s.high ?? [])]);
  const top = Math.max(...ys), bottom = Math.min(0, ...ys), first = xs[0], last = xs[xs.length - 1];
  const x = scale(first, last === first ? first + 1 : last, box.left + 12, width - box.right - 12, Boolean(told.log_x));
  const y = scale(bottom, top === bottom ? bottom + 1 : top * 1.03, box.height - box.bottom, box.top);
  const ticks = xs.length <= (direct ? 10 : 6) ? xs : told.log_x ? logSteps(first, last, direct ? 10 : 6) : steps(first, last);
  const svg = frame(box, ticks, steps(bottom, top), x, y, told.x_label ?? "", told.y_label ?? "score");
  svg.setAttribute("aria-label", told.title);
  const look = (s) => ({ colour: COLOURS[s.number % 8], kind: MARKERS[s.number % 4], dash: s.number < 8 ? "none" : "6 4" });
  for (const s of lines) {
    const { colour, kind, dash } = look(s), at = (values) => s.x.map((v, i) => `${x(v)},${y(values[i])}`);
    if (s.low && s.high && lines.length <= 4) svg.append(shape("polygon", { points: [...at(s.high), ...at(s.low).reverse()].join(" "), fill: colour, opacity: 0.14 }));
    else if (s.low && s.high) s.x.forEach((v, i) => svg.append(line(x(v), y(s.low[i]), x(v), y(s.high[i]), { stroke: colour, opacity: 0.4 })));
    svg.append(shape("polyline", { points: at(s.y).join(" "), fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-dasharray": dash }));
    s.x.forEach((v, i) => {
      const dot = mark(kind, x(v), y(s.y[i]), 3.6, colour);
      dot.append(shape("title", {}, `${s.label}: ${show(s.y[i])}${s.low && s.high ? ` [${show(s.low[i])}, ${show(s.high[i])}]` : ""} at ${show(v)}`));
      svg.append(dot);
    });
  }
  if (!direct) return [svg, legend(lines.map((s) => ({ name: s.label, node: [line(0, 6, 22, 6, { stroke: look(s).colour, "stroke-dasharray": look(s).dash }), mark(look(s).kind, 11, 6, 3.6, look(s).colour)] })))];
  const ends = lines.map((s) => s.x.indexOf(Math.max(...s.x)));
  const heights = spread(lines.map((s, i) => y(s.y[ends[i]])), 15, box.top + 4, box.height - box.bottom);
  lines.forEach((s, i) => {
    const from = [x(s.x[ends[i]]) + 6, y(s.y[ends[i]])], to = width - box.right + 6;
    svg.append(line(...from, to, heights[i], { stroke: look(s).colour, "stroke-width": 0.7, opacity: 0.6 }));
    svg.append(shape("text", { class: "name", x: to + 4, y: heights[i] + 4, style: `fill: ${look(s).colour}` }, s.label));
  });
  return [svg];
}
function drawCurves() {
  $("curves").hidden = !data.curves.length;
  for (const told of data.curves) {
    const host = element("div");
    $("plots").append(element("figure", {}, element("figcaption", { text: told.env ? `${told.env}: ${told.title}` : told.title }), host));
    fitted(host, (width) => curve(width, told));
  }
}
