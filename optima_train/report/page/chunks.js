// ---- what is packed: the index is opened at the start, turns only when they are looked at
async function unpacked(id) {
  const text = atob($(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
const RECENT = 12;
const recent = new Map();
// the turns of an episode: [[agent, text, tokens, finish, prompt tokens, cached tokens]]
async function turnsOf(index, starts) {
  let number = 0;
  for (let low = 0, high = starts.length - 1; low <= high;) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= index) { number = middle; low = middle + 1; } else high = middle - 1;
  }
  const chunk = recent.get(number) ?? unpacked(`chunk-${number}`);
  recent.delete(number);
  recent.set(number, chunk);
  if (recent.size > RECENT) recent.delete(recent.keys().next().value);
  return (await chunk)[index - starts[number]];
}
// the episodes in which a turn holds ``needle``; ``going()`` says whether anybody still wants to know
async function sayingIt(needle, starts, going) {
  const saying = new Set();
  for (let number = 0; number < starts.length && going(); number++) {
    (await unpacked(`chunk-${number}`)).forEach((turns, place) => {
      if (turns.some((turn) => turn[1].toLowerCase().includes(needle))) saying.add(starts[number] + place);
    });
  }
  return saying;
}
