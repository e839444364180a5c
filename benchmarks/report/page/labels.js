// ---- where the names of points go: the nearest place around a point that covers nothing; boxes are [left, top, right, bottom]
const SIDES = [[1, -1], [1, 1], [-1, -1], [-1, 1], [1, 0], [-1, 0], [0, -1], [0, 1]];
const RINGS = [1, 2.2, 3.6, 5.2];
const textWidth = (text) => 6.6 * [...text].length;

function overlap(first, second) {
  const width = Math.min(first[2], second[2]) - Math.max(first[0], second[0]), height = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
  return width > 0 && height > 0 ? width * height : 0;
}
function placeNames(points, names, area, gap = 13, height = 14) {
  const markers = points.map(([x, y]) => [x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2]);
  const placed = [];
  points.forEach(([x, y], number) => {
    const width = textWidth(names[number]);
    const others = [...placed, ...markers.filter((_, other) => other !== number)];
    let best = null, least = Infinity;
    for (const ring of RINGS) for (const [across, up] of SIDES) {
      if (least <= 0) break;
      const middle = [x + across * (gap * ring * 0.7 + width / 2), y + up * (gap * ring * 0.7 + height / 2)];
      const box = [middle[0] - width / 2, middle[1] - height / 2, middle[0] + width / 2, middle[1] + height / 2];
      const covered = others.reduce((sum, other) => sum + overlap(box, other), 0) + 4 * (width * height - overlap(box, area));
      if (covered < least - 1e-6) [best, least] = [box, covered < 1e-6 ? 0 : covered];
    }
    placed.push(best);
  });
  return placed;
}
// heights near the wanted ones, apart from each other where there is room between low and high
function spread(wanted, apart, low, high) {
  apart = Math.min(apart, (high - low) / Math.max(1, wanted.length - 1));
  const order = wanted.map((_, i) => i).sort((i, j) => wanted[i] - wanted[j]), result = [];
  let edge = low;
  for (const i of order) { result[i] = Math.max(wanted[i], edge); edge = result[i] + apart; }
  edge = high;
  for (const i of order.reverse()) { result[i] = Math.min(result[i], edge); edge = result[i] - apart; }
  return result;
}
