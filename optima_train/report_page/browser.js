// ---- dialogue browser: only the rows in sight exist in the page
// episode = [instance, origin, sample, score, correct, reward, terms, stop, answer, turns, error, kept, format]; turn = [agent, text, tokens, finish]
const [INSTANCE, ORIGIN, SAMPLE, SCORE, CORRECT, REWARD, TERMS, STOP, ANSWER, TURNS, ERROR, KEPT, FORMAT] = Array(13).keys();
const ROW = 52;
const { episodes, instances, origins, agents } = data;
const state = { found: [], chosen: -1 };
const tokensOf = (e) => e[TURNS].reduce((sum, turn) => sum + turn[2], 0);
const outcomes = {
  correct: (e) => e[CORRECT] && !e[ERROR], wrong: (e) => !e[CORRECT] && !e[ERROR], "no answer": (e) => e[ANSWER] === null && !e[ERROR],
  failed: (e) => Boolean(e[ERROR]), kept: (e) => e[KEPT] === 1, dropped: (e) => e[KEPT] === 0,
};
for (const stop of [...new Set(episodes.map((e) => e[STOP]))].sort()) outcomes[`stop: ${stop}`] = (e) => e[STOP] === stop;

const byInstance = new Map();
episodes.forEach((e, i) => byInstance.has(e[INSTANCE]) ? byInstance.get(e[INSTANCE]).push(i) : byInstance.set(e[INSTANCE], [i]));

function options(select, values) {
  select.replaceChildren(element("option", { value: "", text: "all" }), ...values.map((v) => element("option", { value: v, text: v })));
}
function contains(e, needle) {
  const instance = instances[e[INSTANCE]];
  const parts = [instance[0], instance[1], ...instance[2], e[ANSWER] ?? "", e[FORMAT] ?? "", e[ERROR] ?? ""];
  return parts.some((text) => text.toLowerCase().includes(needle)) || e[TURNS].some((turn) => turn[1].toLowerCase().includes(needle));
}
function filter() {
  const iteration = $("f-iteration").value, stage = $("f-stage").value, outcome = $("f-outcome").value;
  const needle = $("f-text").value.trim().toLowerCase();
  state.found = [];
  episodes.forEach((e, i) => {
    const origin = origins[e[ORIGIN]];
    if (iteration !== "" && origin[0] !== iteration) return;
    if (stage !== "" && origin[1] !== stage) return;
    if (outcome !== "" && !outcomes[outcome](e)) return;
    if (needle && !contains(e, needle)) return;
    state.found.push(i);
  });
  $("count").textContent = `${state.found.length} of ${episodes.length} dialogues`;
  $("spacer").style.height = `${state.found.length * ROW}px`;
  $("list").scrollTop = 0;
  choose(0);
}
function drawRows() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
  const last = Math.min(state.found.length, first + Math.ceil(list.clientHeight / ROW) + 9);
  const rows = [];
  for (let position = first; position < last; position++) {
    const e = episodes[state.found[position]], origin = origins[e[ORIGIN]];
    const mark = e[ERROR] ? "failed" : e[CORRECT] ? "correct" : "wrong";
    rows.push(element("div", { class: "row", role: "option", "aria-selected": String(position === state.chosen), onclick: () => choose(position) },
      element("div", { class: "q", text: instances[e[INSTANCE]][1] }),
      element("div", { class: "m" }, element("span", { class: mark === "correct" ? "yes" : "no", text: mark }),
        ` · ${origin[0]} ${origin[1]} · ${tokensOf(e)} tokens · ${e[TURNS].length} turns` + (e[FORMAT] ? ` · ${e[FORMAT]}` : ""))));
  }
  $("rows").style.top = `${first * ROW}px`;
  $("rows").replaceChildren(...rows);
}
function pane(index, onpick) {
  const e = episodes[index], siblings = byInstance.get(e[INSTANCE]);
  const picker = element("select", { "aria-label": "dialogue of the same question", onchange: () => onpick(Number(picker.value)) },
    ...siblings.map((i) => element("option", { value: i, text: title(episodes[i]), ...(i === index ? { selected: "" } : {}) })));
  const facts = [`score ${show(e[SCORE])}`, `${tokensOf(e)} tokens`, `${e[TURNS].length} turns`, e[STOP], `answer: ${e[ANSWER] ?? "none"}`];
  if (e[KEPT] !== null) facts.push(e[KEPT] ? "kept for training" : "not kept");
  const terms = Object.entries(e[TERMS]).map(([name, value]) => `${name} ${show(value)}`);
  const node = element("div", { class: "pane" }, picker, element("p", { class: "soft", text: facts.join(" · ") }));
  if (terms.length) node.append(element("p", { class: "soft", text: `reward ${show(e[REWARD])} = ${terms.join(", ")} (before weights)` }));
  if (e[ERROR]) node.append(element("p", { class: "no", text: e[ERROR] }));
  node.append(element("div", { class: "turns" }, ...e[TURNS].map(([agent, text, tokens, finish]) => element("div", { class: `turn s${agent % 3}` },
    element("div", { class: "who" }, element("span", { text: agents[agent] }), element("span", { text: `${tokens} tokens${finish === "stop" ? "" : `, ${finish}`}` })),
    element("span", { text: text || "(said nothing)" })))));
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
  const notes = element("details", {}, element("summary", { text: "what each agent knows" }));
  for (const [agent, text] of instance[3]) notes.append(element("p", { class: "soft", text: agent }), element("pre", { text }));
  const panes = [pane(left, (i) => drawDetail(i, right))];
  if (right >= 0) panes.push(pane(right, (i) => drawDetail(left, i)));
  $("detail").replaceChildren(element("p", { class: "question", text: instance[1] }),
    element("p", { class: "soft", text: `accepted: ${instance[2].join(" | ")} · ${instance[0]}` }), notes, element("div", { class: "pair" }, ...panes));
  return undefined;
}
function choose(position) {
  state.chosen = state.found.length ? Math.max(0, Math.min(position, state.found.length - 1)) : -1;
  const list = $("list"), top = state.chosen * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
  drawRows();
  if (state.chosen < 0) return drawDetail(-1, -1);
  const index = state.found[state.chosen], other = partner(index);
  // untrained on the left, whatever was clicked
  const before = other >= 0 && origins[episodes[other][ORIGIN]][0] === "untrained";
  return before ? drawDetail(other, index) : drawDetail(index, other);
}
options($("f-iteration"), [...new Set(origins.map((o) => o[0]))]);
options($("f-stage"), [...new Set(origins.map((o) => o[1]))]);
options($("f-outcome"), Object.keys(outcomes).filter((name) => episodes.some(outcomes[name])));
if (data.total > episodes.length) $("omitted").textContent = `${data.total - episodes.length} more dialogues are in the run directory and not on this page.`;
let waiting = 0;
$("f-text").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(filter, 150); });
for (const id of ["f-iteration", "f-stage", "f-outcome"]) $(id).addEventListener("change", filter);
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("list").addEventListener("scroll", drawRows, { passive: true });
$("list").addEventListener("keydown", (event) => {
  const move = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
  if (move) { event.preventDefault(); choose(state.chosen + move); }
});
addEventListener("resize", drawRows);
filter();
