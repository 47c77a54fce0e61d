// Several losses side by side: those over one axis in one plot.
"use strict";

(function () {
  const { element } = lossplug;
  const listed = JSON.parse(document.getElementById("drawn").textContent);
  const byName = new Map(listed.map((one) => [one.name, one]));
  const search = document.getElementById("q");
  const choices = document.getElementById("choices");
  const figures = document.getElementById("figures");
  const shown = new Map(); // by name: the numbers, and what moves them
  const places = new Map(); // by axis: where the picture is
  let turn = 0;

  const rows = listed.map((one) => {
    const box = element("input", { type: "checkbox", value: one.name });
    box.addEventListener("change", () => {
      choose(chosen());
    });
    const row = element(
      "label", {}, box, element("span", {}, one.name, one.kind === "preset" ? " (preset)" : "")
    );
    choices.append(row);
    return { one, box, row };
  });

  function chosen() {
    return rows.filter(({ box }) => box.checked).map(({ one }) => one.name);
  }

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { one, row, box } of rows) {
      const text = `${one.name} ${one.kind} ${one.axis}`.toLowerCase();
      row.hidden = !box.checked && !words.every((word) => text.includes(word));
      if (!row.hidden) count += 1;
    }
    document.getElementById("count").textContent = `${count} of ${rows.length}`;
  }

  /** Show these losses, with parameters moved as told. */
  async function choose(names, moved) {
    const mine = (turn += 1);
    const found = await Promise.all(
      names.map((name) => lossplug.figure(name, byName.get(name).data).catch(() => null))
    );
    if (mine !== turn) return;
    for (const name of [...shown.keys()]) if (!names.includes(name)) shown.delete(name);
    names.forEach((name, number) => {
      const figure = found[number];
      if (!figure) return;
      if (!shown.has(name)) {
        const prefix = "move-" + listed.indexOf(byName.get(name));
        const controls = lossplug.plots.controls(figure, prefix, () => {
          draw();
          keep();
        });
        shown.set(name, { figure, controls });
      }
      if (moved) shown.get(name).controls.restore(...(moved.get(name) || [null, null]));
    });
    draw();
    keep();
  }

  function draw() {
    const groups = new Map();
    for (const [name, one] of shown) {
      const axis = one.figure.axis;
      groups.set(axis, [...(groups.get(axis) || []), [name, one]]);
    }
    for (const [axis, place] of [...places]) {
      if (!groups.has(axis)) {
        lossplug.plots.remove(place.picture);
        place.root.remove();
        places.delete(axis);
      }
    }
    for (const [axis, members] of groups) {
      if (!places.has(axis)) places.set(axis, makePlace(axis));
      drawGroup(places.get(axis), members);
    }
    document.getElementById("nothing").hidden = shown.size > 0;
  }

  function makePlace(axis) {
    const picture = lossplug.plots.make();
    const movers = element("div", { class: "movers" });
    const heading = element("h2", {}, "Over " + axis);
    const root = element("section", {}, heading, picture.root, movers);
    figures.append(root);
    return { root, picture, movers };
  }

  function drawGroup(place, members) {
    const lines = members.flatMap(([name, { figure, controls }], number) => {
      const moved = controls.value();
      const title = moved ? `${name}, ${moved.join("=")}` : name;
      return controls.curves().map((curve, i) => ({
        label: figure.cases.length > 1 ? `${title}, ${figure.cases[i]}` : title,
        at: figure.at, ...curve, colour: number, dash: i,
      }));
    });
    lossplug.plots.draw(place.picture, members[0][1].figure, lines);
    const sets = members.map(([name, one]) => one.set || (one.set = makeSet(name, one)));
    const same = sets.length === place.movers.children.length && sets.every((set, i) => place.movers.children[i] === set);
    if (!same) place.movers.replaceChildren(...sets);
  }

  function makeSet(name, { figure, controls }) {
    const link = element("a", { href: byName.get(name).page }, name);
    return element(
      "fieldset", {},
      element("legend", {}, link),
      figure.moves.length ? controls.root : element("p", { class: "note" }, "Nothing to move.")
    );
  }

  function keep() {
    const parameters = new URLSearchParams();
    for (const [name, { controls }] of shown) {
      parameters.append("show", name);
      const moved = controls.value();
      if (moved) parameters.append(`${name}:${moved[0]}`, moved[1]);
    }
    lossplug.keep(parameters);
  }

  function restore() {
    const state = lossplug.state();
    const names = [...new Set(state.getAll("show"))].filter((name) => byName.has(name));
    const moved = new Map();
    for (const [key, text] of state) {
      const colon = key.lastIndexOf(":");
      if (colon > 0) moved.set(key.slice(0, colon), [key.slice(colon + 1), text]);
    }
    for (const { one, box } of rows) box.checked = names.includes(one.name);
    find();
    choose(names, moved);
  }

  search.addEventListener("input", find);
  document.getElementById("choose").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("clear").addEventListener("click", () => {
    for (const { box } of rows) box.checked = false;
    find();
    choose([]);
    search.focus();
  });
  addEventListener("hashchange", restore);
  restore();
})();
