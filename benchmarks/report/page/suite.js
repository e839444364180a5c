// ---- what stands beside a method's dialogue: of the same seed and sample, another method's with another outcome, the shortest of those
const LABEL = 0, ENV = 1, SEED = 3;
function suiteView({ origins, columns: col }) {
  const several = (at) => new Set(origins.map((origin) => origin[at])).size > 1, seeds = several(SEED), envs = several(ENV);
  const of = (i) => origins[col.origin[i]], failing = (i) => col.error[i] !== null ? 2 : col.answer[i] === null ? 3 : col.correct[i] ? 0 : 1;
  const near = (i, j) => (of(j)[SEED] !== of(i)[SEED]) * 2 + (col.sample[j] !== col.sample[i]);
  const seed = (origin) => seeds ? [`seed ${origin[SEED]}`] : [];
  return {
    facets: [{ id: "env", name: "environment", at: ENV }, { id: "method", name: "method", at: LABEL }], grouped: true,
    named: (origin) => origin[LABEL], titled: (origin) => [origin[LABEL], ...seed(origin)], facts: (origin) => [origin[LABEL], ...seed(origin), ...(envs ? [origin[ENV]] : [])],
    rank: (i, j, chosen) => [near(i, j), ...(chosen ? [] : [Number(failing(i) === failing(j)), col.tokens[j]])],
    fits: (i, j) => of(j)[LABEL] !== of(i)[LABEL], beside: "another outcome", before: () => false,
  };
}
drawHead();
drawMissing();
drawEnvs();
drawNotFor();
drawCurves();
drawPlateaus();
drawPaired();
opening(suiteView);
