// ---- dialogue browser: two dialogues on the same question beside each other; a page says through ``view`` what its dialogues come from:
// facets [{id, name, at}] to filter an origin by, named(origin) its name, titled(origin) and facts(origin) its facts for a choice and for a row, rank(i, j) numbers that say how well j
// stands beside i (the lowest first), fits(i, j) whether it may, beside what that choice is called, before(i, j) whether j stands on the left
function browse(index, view) {
  const { origins, instances, agents, stops, columns: col, starts } = index;
  const count = col.origin.length, originOf = (i) => origins[col.origin[i]], nameOf = (i) => view.named(originOf(i));
  const outcomes = {
    correct: (i) => col.correct[i] && !col.error[i], wrong: (i) => !col.correct[i] && !col.error[i] && col.answer[i] !== null,
    "no answer": (i) => col.answer[i] === null && !col.error[i], failed: (i) => col.error[i] !== null,
  };
  const fate = (i) => Object.keys(outcomes).find((name) => outcomes[name](i)) ?? "wrong", fates = [];
  for (let i = 0; i < count; i++) fates.push(fate(i));
  const also = { kept: (i) => col.kept[i] === 1, dropped: (i) => col.kept[i] === 0 };
  stops.forEach((name, number) => { also[`stop: ${name}`] = (i) => col.stop[i] === number; });
  const severalSamples = col.sample.some((sample) => sample > 0);
  const haystacks = instances.map(([id, question, answers]) => [id, question, ...answers].join("\n").toLowerCase());
  const groups = instances.map(() => []);
  for (let i = 0; i < count; i++) groups[col.instance[i]].push(i);
  const ordered = view.grouped ? groups.flat() : col.origin.map((_, i) => i);
  let found = [], turn = 0, search = 0;

  const sizes = (i) => [plural(col.tokens[i], "token"), plural(col.turns[i], "turn")];
  const title = (i) => [...view.titled(originOf(i)), ...(severalSamples ? [`sample ${col.sample[i]}`] : []), fates[i], plural(col.tokens[i], "token")].join(" · ");
  function row(position) {
    const i = found[position], facts = [...view.facts(originOf(i)), ...sizes(i), ...(col.format[i] ? [col.format[i]] : [])];
    return [element("div", { class: "q", dir: "auto", text: instances[col.instance[i]][1] }),
      element("div", { class: "m" }, element("span", { class: fates[i] === "correct" ? "yes" : "no", text: fates[i] }), ` · ${facts.join(" · ")}`)];
  }
  async function filter() {
    const mine = ++search, outcome = $("f-outcome").value, needle = $("f-text").value.trim().toLowerCase();
    const wanted = haystacks.map((text) => !needle || text.includes(needle));
    const chosen = view.facets.map(({ id, at }) => [at, $(`f-${id}`).value]).filter(([, value]) => value !== "");
    const from = origins.map((origin) => chosen.every(([at, value]) => String(origin[at]) === value));
    const is = outcomes[outcome] ?? also[outcome] ?? (() => true);
    const own = (i) => [col.answer[i], col.error[i], col.format[i]].some((text) => text && text.toLowerCase().includes(needle));
    const fitting = ordered.filter((i) => from[col.origin[i]] && is(i));
    const reveal = (saying) => {
      found = fitting.filter((i) => wanted[col.instance[i]] || own(i) || saying.has(i));
      $("count").textContent = `${found.length} of ${plural(count, "dialogue")}`;
      fill(found.length);
    };
    if (!needle) return reveal(new Set());
    $("count").textContent = "looking through the turns ...";
    const saying = await sayingIt(needle, starts, () => mine === search);
    return mine === search ? reveal(saying) : undefined;
  }
  function partner(i) {
    const name = $("f-beside").value;
    const some = groups[col.instance[i]].filter((j) => j !== i && (name ? nameOf(j) === name : view.fits(i, j)));
    const ranked = some.map((j) => [view.rank(i, j, Boolean(name)), j]).sort(([a], [b]) => {
      const at = a.findIndex((value, k) => value !== b[k]);
      return at < 0 ? 0 : a[at] - b[at];
    });
    return ranked[0]?.[1] ?? -1;
  }
  async function fillPane(node, i, picker) {
    const mine = node.turn = ++turn;
    let turns;
    try { turns = await turnsOf(i, starts); } catch (error) { return node.replaceChildren(picker, nothing(`The turns cannot be opened: ${error.message}`)); }
    if (node.turn !== mine) return undefined; // another dialogue was chosen meanwhile
    const facts = [`score ${show(col.score[i])}`, ...sizes(i), stops[col.stop[i]], ...(col.kept[i] === null ? [] : [col.kept[i] ? "kept for training" : "not kept"])];
    const link = element("a", { href: `#dialogue-${i}`, text: "link" });
    const parts = [picker, element("p", { class: "facts" }, `${facts.join(" · ")} · answer: `, element("bdi", { text: col.answer[i] ?? "none" }), " · ", link)];
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
  function openAt(position, byHand) {
    if (position < 0) return $("detail").replaceChildren(nothing("No dialogue fits these filters."));
    const i = found[position], other = partner(i), instance = instances[col.instance[i]];
    if (byHand) history.replaceState(null, "", `#dialogue-${i}`);
    const none = element("div", { class: "pane" }, nothing(`${$("f-beside").value || "Nothing else"} has no dialogue on this question.`));
    const panes = other < 0 ? [pane(i, "left"), none] : view.before(i, other) ? [pane(other, "left"), pane(i, "right")] : [pane(i, "left"), pane(other, "right")];
    const accepted = element("p", { class: "soft" }, "accepted: ", element("bdi", { text: instance[2].join(" | ") }), " · ", element("bdi", { text: instance[0] }));
    return $("detail").replaceChildren(element("p", { class: "question", dir: "auto", text: instance[1] }), accepted, knowledge(instance[3]), element("div", { class: "pair" }, ...panes));
  }
  // a link opens its dialogue, whatever the filters say
  function follow() {
    const i = Number(/^#dialogue-(\d+)$/.exec(location.hash)?.[1] ?? -1);
    if (i < 0 || i >= count) return;
    $("filters").reset();
    found = ordered;
    $("count").textContent = `${count} of ${plural(count, "dialogue")}`;
    fill(count, ordered.indexOf(i));
    $("dialogues").scrollIntoView();
  }
  for (const { id, name, at } of view.facets) {
    $("facets").append(element("label", {}, `${name} `, element("select", { id: `f-${id}` })));
    options($(`f-${id}`), [...new Set(origins.map((origin) => String(origin[at])))]);
  }
  options($("f-outcome"), [...Object.keys(outcomes), ...Object.keys(also).filter((name) => ordered.some(also[name]))]);
  options($("f-beside"), [...new Set(origins.map((origin) => view.named(origin)))]);
  $("f-beside").options[0].textContent = view.beside;
  const left = data.total - data.shown;
  if (left > 0) $("omitted").textContent = `${plural(left, "more dialogue")} ${left === 1 ? "is" : "are"} in the episode logs and not on this page.`;
  const fill = listing(row, openAt);
  onfilter($("filters"), filter);
  filter();
  follow();
  addEventListener("hashchange", follow);
}
const opening = (view) => unpacked("index").then((index) => browse(index, view(index))).catch((error) => { $("count").textContent = `The dialogues cannot be opened: ${error.message}`; });
