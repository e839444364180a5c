// ---- axes of plots: scales, ticks, a frame; box = {width, height, left, right, top, bottom}
const SVG = "http://www.w3.org/2000/svg";
function shape(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
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
function logSteps(low, high, most = Infinity) {
  let result = [];
  if (!(low > 0 && high < Infinity)) return result; // there is no power of ten to begin with
  for (const digits of [[1, 2, 5], [1, 3], [1]]) {
    result = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); p++) for (const m of digits) {
      const v = Number((m * 10 ** p).toPrecision(10));
      if (v >= low * 0.999 && v <= high * 1.001) result.push(v);
    }
    if (result.length <= most) break;
  }
  return result;
}
function frame(box, xs, ys, x, y, xName, yName) {
  const svg = shape("svg", { viewBox: `0 0 ${box.width} ${box.height}`, role: "img" });
  for (const v of xs) {
    svg.append(shape("line", { class: "axis", x1: x(v), x2: x(v), y1: box.top, y2: box.height - box.bottom }));
    svg.append(shape("text", { x: x(v), y: box.height - box.bottom + 16, "text-anchor": "middle" }, String(v)));
  }
  for (const v of ys) {
    svg.append(shape("line", { class: "axis", x1: box.left, x2: box.width - box.right, y1: y(v), y2: y(v) }));
    svg.append(shape("text", { x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, String(v)));
  }
  svg.append(shape("text", { x: (box.left + box.width - box.right) / 2, y: box.height - 6, "text-anchor": "middle" }, xName));
  svg.append(shape("text", { x: 12, y: (box.top + box.height - box.bottom) / 2, "text-anchor": "middle",
    transform: `rotate(-90 12 ${(box.top + box.height - box.bottom) / 2})` }, yName));
  return svg;
}
