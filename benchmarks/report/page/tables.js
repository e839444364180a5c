// ---- header, what is missing, tables
const blockNames = Object.keys(data.blocks), envs = [...new Set(data.rows.map((row) => row.env))];
const percent = (value) => isNumber(value) ? `${(100 * value).toFixed(1)}%` : "–";
const chance = (p) => isNumber(p) && p < 0.001 ? "<0.001" : show(p);
const edges = (interval) => interval ? `[${show(interval[0])}, ${show(interval[1])}]` : "";
const withInterval = (value, interval) => element("span", { text: show(value) }, element("span", { class: "ci", text: edges(interval) }));
const seedsOf = (row) => Array.isArray(row.seeds) ? row.seeds.length : row.seeds;

function plain(key, name, hint) { return { key, name: name ?? key, hint, value: (row) => row[key], text: (row) => show(row[key]) }; }
const RESULTS = [
  { key: "label", name: "method", value: (row) => row.label, text: methodCell },
  plain("model"),
  { ...plain("score"), text: (row) => withInterval(row.score, row.score_ci) },
  { ...plain("tokens", "tokens", "completion tokens of all calls, per question"), text: (row) => withInterval(row.tokens, row.tokens_ci) },
  { ...plain("pareto", "front", "on the Pareto front: nothing in its comparison scores higher with as few tokens"), value: (row) => row.pareto ? 1 : 0, text: (row) => row.pareto ? "yes" : "" },
  plain("prompt_tokens", "prompt tokens", "per question, all calls"),
  { ...plain("cached_share", "cached", "share of the prompt tokens that the engine had in its cache"), text: (row) => percent(row.cached_share) },
  plain("calls", "calls", "completions per question"),
  plain("seconds", "seconds", "wall clock from first call to last, per question, while others ran beside it"),
  plain("failures", "failures", "questions that ended in an error; they score 0"),
  { ...plain("unanswered", "no answer", "share of questions without a final answer"), text: (row) => percent(row.unanswered) },
  plain("unparsed", "unparsed", "replies per question in which the method found nothing it could read"),
  { ...plain("seeds"), value: seedsOf, text: (row) => show(seedsOf(row)) },
  plain("n", "questions"),
];
const PAIRED = [plain("b", "method"), plain("a", "against"), plain("model"), { ...plain("diff", "difference"), text: (row) => withInterval(row.diff, row.ci) },
  { ...plain("p"), text: (row) => chance(row.p) }, { ...plain("p_holm", "p (Holm)", "corrected for the number of tests in the environment"), text: (row) => chance(row.p_holm) }, plain("n", "questions")];
const PLATEAUS = [plain("by", "method"), plain("reached", "tokens to reach it"), { ...plain("share", "share of the plateau's tokens"), text: (row) => percent(row.share) },
  plain("of", "plateau of"), plain("plateau", "its score"), plain("tokens", "its tokens")];
const used = (columns, rows) => columns.filter(({ key }) => rows.some((row) => row[key] !== undefined && row[key] !== null));

function methodCell(row) {
  const cell = element("span", {}, element("bdi", { text: row.label }));
  if (row.missing) cell.append(element("span", { class: "lacks", text: `${plural(row.missing, "run")} missing` }));
  return cell;
}
function drawHead() {
  $("title").textContent = `Optima benchmark ${data.name}`;
  document.title = `Optima benchmark: ${data.name}`;
  const methods = new Set(data.rows.map((row) => row.label)).size;
  $("subtitle").textContent = [plural(methods, "method"), envs.join(", "), plural(data.total, "dialogue"), (data.created ?? "").slice(0, 10)].filter(Boolean).join(" · ");
}
function drawMissing() {
  if (!data.missing.length) return;
  const items = data.missing.map((gone) => element("li", {}, element("bdi", { text: gone.cell }), element("span", { class: "soft", text: `: ${gone.reason}` })));
  const list = element("ul", {}, ...items);
  const title = `${plural(data.missing.length, "missing run")}, in no mean below`;
  $("missing").append(items.length > 6 ? element("details", {}, element("summary", { text: title }), list) : element("div", {}, element("b", { text: title }), list));
  $("missing").hidden = false;
}
function drawNotFor() {
  const cases = data.not_applicable.map((it) => `${it.label} on ${it.env} (${it.reason})`);
  if (cases.length) $("not-for").append("Not applicable: ", element("bdi", { text: cases.join("; ") }), ".");
}
function drawEnvs() {
  for (const env of envs) {
    const rows = data.rows.filter((row) => row.env === env);
    const table = element("table"), host = element("div");
    const caption = element("figcaption", { text: "Score against tokens per question" });
    const figure = element("figure", {}, caption, host);
    const scroll = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `results on ${env}` }, table);
    $("envs").append(element("section", { class: "env" }, element("h2", { text: env }), element("p", { class: "soft", text: data.versions?.[env] ?? "" }), figure, scroll));
    const groups = blockNames.map((name) => ({ title: data.blocks[name], rows: rows.filter((row) => row.block === name) }));
    sortable(table, used(RESULTS, rows), groups.filter((group) => group.rows.length));
    fitted(host, (width) => scatter(width, rows, env));
  }
}
const byEnv = (rows) => [...new Set(rows.map((row) => row.env))].map((env) => ({ title: env, rows: rows.filter((row) => row.env === env) }));
function drawPaired() {
  $("paired").hidden = !data.paired.length;
  sortable($("differences"), used(PAIRED, data.paired), byEnv(data.paired));
}
function drawPlateaus() {
  $("reached").hidden = !data.plateaus.length;
  sortable($("plateaus"), PLATEAUS, byEnv(data.plateaus));
}
