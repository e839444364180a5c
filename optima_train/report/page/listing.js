// ---- a list of any length in #list: only the rows in sight exist in the page
// row(position) gives a row's children, onchoose(position, byHand) hears of a choice (-1: the list is empty)
function listing(row, onchoose) {
  const ROW = 52, list = $("list");
  let count = 0, chosen = -1;
  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 4);
    const last = Math.min(count, first + Math.ceil(list.clientHeight / ROW) + 9);
    const rows = [];
    for (let position = first; position < last; position++) {
      rows.push(element("div", { class: "row", role: "option", id: `row-${position}`, "aria-selected": String(position === chosen),
        "aria-posinset": position + 1, "aria-setsize": count, onclick: () => choose(position, true) }, ...row(position)));
    }
    $("rows").style.top = `${first * ROW}px`;
    $("rows").replaceChildren(...rows);
  }
  function choose(position, byHand = false) {
    chosen = count ? Math.max(0, Math.min(position, count - 1)) : -1;
    const top = chosen * ROW;
    if (top < list.scrollTop) list.scrollTop = Math.max(0, top);
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
    if (chosen < 0) list.removeAttribute("aria-activedescendant");
    else list.setAttribute("aria-activedescendant", `row-${chosen}`);
    onchoose(chosen, byHand);
  }
  list.addEventListener("scroll", draw, { passive: true });
  list.addEventListener("keydown", (event) => {
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + 10, PageUp: chosen - 10, Home: 0, End: count - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); choose(to, true); }
  });
  addEventListener("resize", draw);
  return (length, at = 0) => {
    count = length;
    $("spacer").style.height = `${count * ROW}px`;
    list.scrollTop = 0;
    choose(at);
  };
}
// filters apply at once, a text field's a moment after its last key
function onfilter(form, filter) {
  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target.type === "search") waiting = setTimeout(filter, 150);
  });
  form.addEventListener("change", (event) => { if (event.target.type !== "search") filter(); }, true);
  form.addEventListener("submit", (event) => event.preventDefault());
}
// the turns of a dialogue: [{agent, slot, note, text}]; what the world replies is no turn of an agent, and looks it
const WORLD = "environment";
const turnsView = (turns) => element("div", { class: "turns" }, ...turns.map(({ agent, slot, note, text }) => element("div", { class: `turn ${agent === WORLD ? "world" : `s${slot % 3}`}` },
  element("div", { class: "who" }, element("bdi", { text: agent }), element("span", { text: agent === WORLD ? "reply of the world" : note })),
  element("div", { class: "said", dir: "auto", text: text || "(said nothing)" }))));
const knowledge = (told) => {
  const notes = element("details", {}, element("summary", { text: "what each agent knows" }));
  for (const [agent, text] of told) notes.append(element("p", { class: "soft" }, element("bdi", { text: agent })), element("pre", { dir: "auto", text }));
  return notes;
};
