// ---- dialogue browser
// episode = [instance, origin, sample, score, correct, reward, terms, stop, answer, turns, error, kept, format]; turn = [agent, text, tokens, finish]
const [INSTANCE, ORIGIN, SAMPLE, SCORE, CORRECT, REWARD, TERMS, STOP, ANSWER, TURNS, ERROR, KEPT, FORMAT] = Array(13).keys();
const { episodes, instances, origins, agents } = data;
let found = [];
const tokensOf = (e) => e[TURNS].reduce((sum, turn) => sum + turn[2], 0);
const spokenIn = (e) => e[TURNS].filter((turn) => agents[turn[0]] !== WORLD).length;
const outcomes = {
  correct: (e) => e[CORRECT] && !e[ERROR], wrong: (e) => !e[CORRECT] && !e[ERROR], "no answer": (e) => e[ANSWER] === null && !e[ERROR],
  failed: (e) => Boolean(e[ERROR]), kept: (e) => e[KEPT] === 1, dropped: (e) => e[KEPT] === 0,
};
for (const stop of [...new Set(episodes.map((e) => e[STOP]))].sort()) outcomes[`stop: ${stop}`] = (e) => e[STOP] === stop;

const byInstance = new Map();
episodes.forEach((e, i) => byInstance.has(e[INSTANCE]) ? byInstance.get(e[INSTANCE]).push(i) : byInstance.set(e[INSTANCE], [i]));

function contains(e, needle) {
  const instance = instances[e[INSTANCE]];
  const parts = [instance[0], instance[1], ...instance[2], e[ANSWER] ?? "", e[FORMAT] ?? "", e[ERROR] ?? ""];
  return parts.some((text) => text.toLowerCase().includes(needle)) || e[TURNS].some((turn) => turn[1].toLowerCase().includes(needle));
}
function filter() {
  const iteration = $("f-iteration").value, stage = $("f-stage").value, outcome = $("f-outcome").value;
  const needle = $("f-text").value.trim().toLowerCase();
  found = [];
  episodes.forEach((e, i) => {
    const origin = origins[e[ORIGIN]];
    if (iteration !== "" && origin[0] !== iteration) return;
    if (stage !== "" && origin[1] !== stage) return;
    if (outcome !== "" && !outcomes[outcome](e)) return;
    if (needle && !contains(e, needle)) return;
    found.push(i);
  });
  $("count").textContent = `${found.length} of ${episodes.length} dialogues`;
  fill(found.length);
}
function row(position) {
  const e = episodes[found[position]], origin = origins[e[ORIGIN]];
  const mark = e[ERROR] ? "failed" : e[CORRECT] ? "correct" : "wrong";
  return [element("div", { class: "q", text: instances[e[INSTANCE]][1] }),
    element("div", { class: "m" }, element("span", { class: mark === "correct" ? "yes" : "no", text: mark }),
      ` · ${origin[0]} ${origin[1]} · ${tokensOf(e)} tokens · ${spokenIn(e)} turns` + (e[FORMAT] ? ` · ${e[FORMAT]}` : ""))];
}
function pane(index, onpick) {
  const e = episodes[index], siblings = byInstance.get(e[INSTANCE]);
  const picker = element("select", { "aria-label": "dialogue of the same question", onchange: () => onpick(Number(picker.value)) },
    ...siblings.map((i) => element("option", { value: i, text: title(episodes[i]), ...(i === index ? { selected: "" } : {}) })));
  const facts = [`score ${show(e[SCORE])}`, `${tokensOf(e)} tokens`, `${spokenIn(e)} turns`, e[STOP], `answer: ${e[ANSWER] ?? "none"}`];
  if (e[KEPT] !== null) facts.push(e[KEPT] ? "kept for training" : "not kept");
  const terms = Object.entries(e[TERMS]).map(([name, value]) => `${name} ${show(value)}`);
  const node = element("div", { class: "pane" }, picker, element("p", { class: "soft", text: facts.join(" · ") }));
  if (terms.length) node.append(element("p", { class: "soft", text: `reward ${show(e[REWARD])} = ${terms.join(", ")} (before weights)` }));
  if (e[ERROR]) node.append(element("p", { class: "no", text: e[ERROR] }));
  node.append(turnsView(e[TURNS].map(([agent, text, tokens, finish]) => (
    { agent: agents[agent], slot: agent, text, note: `${tokens} tokens${finish === "stop" ? "" : `, ${finish}`}` }))));
  return node;
}
const title = (e) => `${origins[e[ORIGIN]].join(" ")} · sample ${e[SAMPLE]} · ${e[CORRECT] ? "correct" : "wrong"} · ${tokensOf(e)} tokens`;
function partner(index) {
  // beside an evaluated dialogue: the untrained one; beside that: the last evaluated one; beside a sample: its best sibling
  const siblings = byInstance.get(episodes[index][INSTANCE]).filter((i) => i !== index);
  if (!siblings.length) return -1;
  const stage = (i) => origins[episodes[i][ORIGIN]].join(" ");
  const wanted = stage(index) === "untrained evaluate" ? siblings.filter((i) => stage(i).endsWith("evaluate")).pop() : siblings.find((i) => stage(i) === "untrained evaluate");
  if (wanted !== undefined) return wanted;
  return siblings.reduce((best, i) => (episodes[i][REWARD] > episodes[best][REWARD] ? i : best));
}
function drawDetail(left, right) {
  if (left < 0) return $("detail").replaceChildren(nothing("No dialogue fits these filters."));
  const instance = instances[episodes[left][INSTANCE]];
  const panes = [pane(left, (i) => drawDetail(i, right))];
  if (right >= 0) panes.push(pane(right, (i) => drawDetail(left, i)));
  $("detail").replaceChildren(element("p", { class: "question", text: instance[1] }),
    element("p", { class: "soft", text: `accepted: ${instance[2].join(" | ")} · ${instance[0]}` }), knowledge(instance[3]), element("div", { class: "pair" }, ...panes));
  return undefined;
}
function openAt(position) {
  if (position < 0) return drawDetail(-1, -1);
  const index = found[position], other = partner(index);
  // untrained on the left, whatever was clicked
  const before = other >= 0 && origins[episodes[other][ORIGIN]][0] === "untrained";
  return before ? drawDetail(other, index) : drawDetail(index, other);
}
options($("f-iteration"), [...new Set(origins.map((o) => o[0]))]);
options($("f-stage"), [...new Set(origins.map((o) => o[1]))]);
options($("f-outcome"), Object.keys(outcomes).filter((name) => episodes.some(outcomes[name])));
if (data.total > episodes.length) $("omitted").textContent = `${data.total - episodes.length} more dialogues are in the run directory and not on this page.`;
const fill = listing(row, openAt);
onfilter($("filters"), filter);
filter();
