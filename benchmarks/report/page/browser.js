// ---- dialogue browser: two methods beside each other on the same question
const LABEL = 0, ENV = 1, SEED = 3;
function browse({ cells, instances, agents, stops, columns: col, starts }) {
  const count = col.cell.length, cellOf = (i) => cells[col.cell[i]], labelOf = (i) => cellOf(i)[LABEL];
  const outcomes = {
    correct: (i) => col.correct[i] && !col.error[i], wrong: (i) => !col.correct[i] && !col.error[i] && col.answer[i] !== null,
    "no answer": (i) => col.answer[i] === null && !col.error[i], failed: (i) => col.error[i] !== null,
  };
  const outcomeOf = (i) => Object.keys(outcomes).find((name) => outcomes[name](i)) ?? "wrong";
  const severalEnvs = new Set(cells.map((cell) => cell[ENV])).size > 1, severalSeeds = new Set(cells.map((cell) => cell[SEED])).size > 1;
  const severalSamples = col.sample.some((sample) => sample > 0);
  const haystacks = instances.map(([id, question, answers]) => [id, question, ...answers].join("\n").toLowerCase());
  const groups = instances.map(() => []);
  for (let i = 0; i < count; i++) groups[col.instance[i]].push(i);
  const ordered = groups.flat(); // all methods of a question one after another
  let found = [], turn = 0;

  const title = (i) => [labelOf(i), ...(severalSeeds ? [`seed ${cellOf(i)[SEED]}`] : []), ...(severalSamples ? [`sample ${col.sample[i]}`] : []),
    outcomeOf(i), `${col.tokens[i]} tokens`].join(" · ");
  function row(position) {
    const i = found[position], outcome = outcomeOf(i);
    const facts = [labelOf(i), plural(col.tokens[i], "token"), plural(col.turns[i], "turn"), ...(severalSeeds ? [`seed ${cellOf(i)[SEED]}`] : []), ...(severalEnvs ? [cellOf(i)[ENV]] : [])];
    return [element("div", { class: "q", dir: "auto", text: instances[col.instance[i]][1] }),
      element("div", { class: "m" }, element("span", { class: outcome === "correct" ? "yes" : "no", text: outcome }), ` · ${facts.join(" · ")}`)];
  }
  function filter() {
    const env = $("f-env").value, method = $("f-method").value, outcome = $("f-outcome").value, needle = $("f-text").value.trim().toLowerCase();
    const wanted = haystacks.map((text) => !needle || text.includes(needle));
    const cell = cells.map((c) => (!env || c[ENV] === env) && (!method || c[LABEL] === method));
    found = ordered.filter((i) => cell[col.cell[i]] && wanted[col.instance[i]] && (!outcome || outcomes[outcome](i)));
    $("count").textContent = `${found.length} of ${plural(count, "dialogue")}`;
    fill(found.length);
  }
  // beside a dialogue: the method asked for, of the same seed and sample; else the shortest of another method with another outcome
  function partner(i) {
    const near = (j) => (cellOf(j)[SEED] !== cellOf(i)[SEED]) * 2 + (col.sample[j] !== col.sample[i]);
    const others = groups[col.instance[i]].filter((j) => j !== i), method = $("f-beside").value;
    const some = others.filter((j) => method ? labelOf(j) === method : labelOf(j) !== labelOf(i));
    const differs = (j) => Number(outcomeOf(j) === outcomeOf(i));
    return some.sort((a, b) => near(a) - near(b) || (method ? 0 : differs(a) - differs(b) || col.tokens[a] - col.tokens[b]))[0] ?? -1;
  }
  async function fillPane(node, i, picker) {
    const mine = node.turn = ++turn;
    let turns;
    try { turns = await turnsOf(i, starts); } catch (error) { return node.replaceChildren(picker, nothing(`The turns cannot be opened: ${error.message}`)); }
    if (node.turn !== mine) return undefined; // another dialogue was chosen meanwhile
    const answer = element("p", { class: "facts" }, `score ${show(col.score[i])} · ${plural(col.tokens[i], "token")} · ${plural(col.turns[i], "turn")} · ${stops[col.stop[i]]} · answer: `, element("bdi", { text: col.answer[i] ?? "none" }));
    const parts = [picker, answer];
    if (col.error[i]) parts.push(element("p", { class: "no facts", dir: "auto", text: col.error[i] }));
    if (col.terms[i]) {
      const rows = [...Object.entries(col.terms[i]), ["reward", col.reward[i]]].map(([name, value]) => element("tr", {}, element("th", { scope: "row", text: name }), element("td", { text: show(value) })));
      parts.push(element("details", { open: "" }, element("summary", { text: "reward terms, before weights" }), element("table", { class: "terms" }, element("tbody", {}, ...rows))));
    }
    const slots = [...new Set(turns.map(([agent]) => agent))];
    parts.push(turnsView(turns.map(([agent, text, tokens, finish, prompt, cached]) => ({ agent: agents[agent], slot: slots.indexOf(agent), text,
      note: [plural(tokens, "token"), ...(prompt ? [`prompt ${prompt}${cached ? `, ${cached} cached` : ""}`] : []), ...(finish === "stop" ? [] : [finish])].join(" · ") }))));
    return node.replaceChildren(...parts);
  }
  function pane(i, side) {
    const node = element("div", { class: "pane" }), siblings = groups[col.instance[i]];
    const picker = element("select", { "aria-label": `${side} dialogue on this question`, onchange: () => fillPane(node, Number(picker.value), picker) },
      ...siblings.map((j) => element("option", { value: j, text: title(j), ...(j === i ? { selected: "" } : {}) })));
    node.append(picker);
    fillPane(node, i, picker);
    return node;
  }
  function openAt(position) {
    if (position < 0) return $("detail").replaceChildren(nothing("No dialogue fits these filters."));
    const i = found[position], other = partner(i), instance = instances[col.instance[i]];
    const beside = other >= 0 ? pane(other, "right") : element("div", { class: "pane" }, nothing(`${$("f-beside").value || "No other method"} has no dialogue on this question.`));
    const accepted = element("p", { class: "soft" }, "accepted: ", element("bdi", { text: instance[2].join(" | ") }), " · ", element("bdi", { text: instance[0] }));
    return $("detail").replaceChildren(element("p", { class: "question", dir: "auto", text: instance[1] }), accepted, knowledge(instance[3]), element("div", { class: "pair" }, pane(i, "left"), beside));
  }
  const labels = [...new Set(cells.map((cell) => cell[LABEL]))];
  options($("f-env"), [...new Set(cells.map((cell) => cell[ENV]))]);
  options($("f-method"), labels);
  options($("f-outcome"), Object.keys(outcomes));
  options($("f-beside"), labels);
  $("f-beside").options[0].textContent = "another outcome";
  const left = data.total - data.shown;
  if (left > 0) $("omitted").textContent = `${plural(left, "more dialogue")} are in the episode logs and not on this page.`;
  const fill = listing(row, openAt);
  onfilter($("filters"), filter);
  filter();
}

drawHead();
drawMissing();
drawEnvs();
drawNotFor();
drawCurves();
drawPlateaus();
drawPaired();
unpacked("index").then(browse).catch((error) => { $("count").textContent = `The dialogues cannot be opened: ${error.message}`; });
