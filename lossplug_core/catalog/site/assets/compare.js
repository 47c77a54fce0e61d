// Several losses side by side: those over one axis in one plot.
"use strict";

(function () {
  const { element } = lossplug;
  const listed = JSON.parse(document.getElementById("drawn").textContent);
  const byName = new Map(listed.map((one) => [one.name, one]));
  const search = document.getElementById("q");
  const choices = document.getElementById("choices");
  const figures = document.getElementById("figures");
  const missing = document.getElementById("missing");
  const shown = new Map(); // by name: the numbers, and what moves them
  const places = new Map(); // by axis: where the picture is
  let turn = 0;

  const rows = listed.map((one) => {
    const box = element("input", { type: "checkbox", value: one.name });
    box.addEventListener("change", () => {
      count();
      choose(chosen());
    });
    const kind = one.kind === "preset" ? " (preset)" : "";
    const row = element("label", {}, box, element("span", {}, ...broken(one.name), kind));
    choices.append(row);
    return { one, box, row, text: lossplug.folded(`${one.name} ${one.kind} ${one.axis}`) };
  });

  /** A name that a narrow column breaks between its words. */
  function broken(name) {
    const words = name.split(/(?<=[/_])/);
    return words.flatMap((word, i) => (i ? [element("wbr"), word] : [word]));
  }

  function chosen() {
    return rows.filter(({ box }) => box.checked).map(({ one }) => one.name);
  }

  function find() {
    const found = lossplug.finder(search.value);
    for (const { row, box, text } of rows) row.hidden = !box.checked && !found(text);
    count();
  }

  function count() {
    const there = rows.filter(({ row }) => !row.hidden).length;
    const picked = chosen().length;
    document.getElementById("count").textContent =
      `${there} of ${rows.length}` + (picked ? `, ${picked} chosen` : "");
  }

  /** Show these losses, with parameters moved as told. */
  async function choose(names, moved) {
    const mine = (turn += 1);
    const found = await Promise.all(
      names.map(async (name) =>
        byName.has(name) ? lossplug.figure(name, byName.get(name).data).catch(() => null) : null
      )
    );
    if (mine !== turn) return;
    for (const name of [...shown.keys()]) if (!names.includes(name)) shown.delete(name);
    names.forEach((name, number) => {
      const figure = found[number];
      if (!figure) return;
      if (!shown.has(name)) {
        const prefix = "move-" + listed.indexOf(byName.get(name));
        const controls = lossplug.plots.controls(figure, prefix, () => {
          missing.hidden = true;
          draw();
          keep();
        });
        shown.set(name, { figure, controls });
      }
    });
    const undrawn = moved ? restoreMoves(names, moved) : [];
    missing.hidden = !undrawn.length;
    missing.textContent = `The address asks for what is not drawn: ${undrawn.join(", ")}.`;
    draw();
    keep();
  }

  /** Put the controls where the address has them; what is not there. */
  function restoreMoves(names, moved) {
    const undrawn = names.filter((name) => !shown.has(name));
    for (const [name, { controls }] of shown) {
      const move = moved.get(name) || [null, null];
      if (!controls.restore(...move)) undrawn.push(`${name} with ${move.join("=")}`);
    }
    return undrawn;
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
        label: `${title}, ${figure.cases[i]}`, at: figure.at, ...curve, colour: number, dash: i,
      }));
    });
    lossplug.plots.draw(place.picture, members[0][1].figure, lines);
    const sets = members.map(([name, one]) => one.set || (one.set = makeSet(name, one)));
    const same = sets.length === place.movers.children.length && sets.every((set, i) => place.movers.children[i] === set);
    if (!same) place.movers.replaceChildren(...sets);
  }

  function makeSet(name, { figure, controls }) {
    const link = element("a", { href: byName.get(name).page }, ...broken(name));
    const remove = element(
      "button", { type: "button", class: "remove", "aria-label": `Remove ${name}` }, "Remove"
    );
    remove.addEventListener("click", () => drop(name));
    return element(
      "fieldset", {},
      element("legend", {}, link),
      remove,
      figure.moves.length ? controls.root : element("p", { class: "note" }, "Nothing to move.")
    );
  }

  /** Take one away; the keyboard goes to the next. */
  async function drop(name) {
    const places = [...shown.keys()];
    const left = places.filter((other) => other !== name);
    rows.find(({ one }) => one.name === name).box.checked = false;
    find();
    await choose(left);
    const next = shown.get(left[Math.min(places.indexOf(name), left.length - 1)]);
    (next ? next.set.querySelector(".remove") : search).focus();
    lossplug.say(`${name} is removed`);
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
    const names = [...new Set(state.getAll("show"))].filter(Boolean);
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
