// The page of one loss: its curves, moved by its parameters, and the snippet that goes with them.
"use strict";

(function () {
  const { element } = lossplug;
  const place = document.getElementById("figure");
  const name = place.dataset.name;

  function lines(curves, figure, faint) {
    return figure.cases.map((label, i) => ({
      label, faint, at: figure.at, ...curves[i], colour: i, dash: faint ? 2 : 0,
    }));
  }

  function snippet(figure, moved) {
    const given = { ...figure.call.given };
    if (moved && !figure.of_parts) given[moved[0]] = moved[1];
    const texts = Object.entries(given).map(([key, text]) => `${key}=${text}`);
    return [figure.call.name, ...texts].join(", ");
  }

  function notes(figure) {
    const said = [];
    if (figure.moves.length > 1) {
      said.push("One parameter moves at a time: the others go back to where they were.");
    }
    if (figure.of_parts && figure.moves.length) {
      said.push("The weights belong to the preset: they are set in its catalogue.");
    }
    if (figure.examples.length) {
      const texts = figure.examples.map((key) => `${key}=${figure.fixed[key]}`);
      said.push(`An example, as there is no default: ${texts.join(", ")}.`);
    }
    if (figure.fixed.from_logits === "True" && !("from_logits" in figure.call.given)) {
      said.push("Drawn with from_logits=True.");
    }
    if (figure.without_effect.length) {
      said.push(`Without effect on this picture: ${figure.without_effect.join(", ")}.`);
    }
    if (figure.not_moved.length) {
      said.push(`Not moved here: ${figure.not_moved.join(", ")}.`);
    }
    return said.map((text) => element("p", { class: "note" }, text));
  }

  lossplug.figure(name).then((figure) => {
    const picture = lossplug.plots.make();
    const controls = lossplug.plots.controls(figure, "move", () => {
      missing.hidden = true;
      draw();
      keep();
    });
    const reset = element("button", { type: "button", onclick: () => controls.reset() }, "Back to the start");
    const missing = element("p", { class: "missing", role: "status", hidden: true });

    function draw() {
      const moved = controls.value();
      const before = moved ? lines(figure.curves, figure, true) : [];
      lossplug.plots.draw(picture, figure, [...before, ...lines(controls.curves(), figure, false)]);
      reset.disabled = !moved;
      const code = document.getElementById("snippet");
      code.textContent = `from lossplug_core import get_loss\n\nloss = get_loss(${snippet(figure, moved)})`;
      const link = new URLSearchParams([["show", name]]);
      if (moved) link.append(`${name}:${moved[0]}`, moved[1]);
      const compare = document.getElementById("compare");
      compare.href = compare.href.split("#")[0] + "#" + link;
    }

    function keep() {
      const moved = controls.value();
      lossplug.keep(new URLSearchParams(moved ? [moved] : []));
    }

    function restore() {
      const asked = [...lossplug.state()].filter(([, text]) => text);
      const first = asked.find(([key]) => figure.moves.some((m) => m.name === key)) || asked[0];
      const found = controls.restore(...(first || [null, null]));
      missing.hidden = found;
      missing.textContent = found ? "" : `The address asks for ${first.join("=")}, which is not drawn.`;
      draw();
    }

    if (figure.moves.length) place.append(controls.root, reset);
    place.append(missing, picture.root, ...notes(figure));
    document.getElementById("loading").remove();
    addEventListener("hashchange", restore);
    restore();
  });
})();
