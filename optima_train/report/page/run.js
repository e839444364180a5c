// ---- what stands beside a dialogue of a run: the untrained team's; beside that, the last evaluated one; beside a sample, its best sibling
function runView({ origins, columns: col }) {
  const named = (origin) => origin.join(" "), nameAt = (i) => named(origins[col.origin[i]]);
  const FIRST = "untrained evaluate";
  function rank(i, j, chosen) {
    if (chosen) return [0];
    if (nameAt(i) === FIRST) return nameAt(j).endsWith("evaluate") ? [0, -col.origin[j]] : [1, -col.reward[j]];
    return nameAt(j) === FIRST ? [0, 0] : [1, -col.reward[j]];
  }
  return {
    facets: [{ id: "iteration", name: "iteration", at: 0 }, { id: "stage", name: "stage", at: 1 }], named, titled: (origin) => [named(origin)], facts: (origin) => [named(origin)], rank,
    fits: () => true, beside: "the untrained team", before: (i, j) => origins[col.origin[j]][0] === "untrained",
  };
}
drawHead();
sortable($("results"), columns, [{ rows: data.results }]);
drawScores();
drawTerms();
$("reward-note").textContent = data.reward_note ?? "";
opening(runView);
