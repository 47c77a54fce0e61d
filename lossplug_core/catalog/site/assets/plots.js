// Curves, drawn by Plotly in the colours of the page; and what moves them.
"use strict";

lossplug.plots = (function () {
  const { element } = lossplug;
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const COLOURS = 7;
  const SWATCHES = { solid: "", dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" };
  const drawn = new Set();

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }

  function lineColour(number) {
    return colour("line-" + ((number % COLOURS) + 1));
  }

  /** The dash of a line; other ones where a colour comes again. */
  function lineDash(line) {
    return DASHES[(line.dash + 2 * Math.floor(line.colour / COLOURS)) % DASHES.length];
  }

  /** Where most of each line is: what shoots up at the edge does not flatten the rest. */
  function limits(lines) {
    const values = lines.flat().filter((value) => value !== null).sort((a, b) => a - b);
    if (!values.length) return [-1, 1];
    const at = (share) => values[Math.round(share * (values.length - 1))];
    let low = Math.min(values[0], 0);
    let high = Math.max(values[values.length - 1], 0);
    const near = Math.min(at(0.03), 0);
    const far = Math.max(at(0.97), 0);
    if (far > near && high - low > 3 * (far - near)) {
      low = Math.max(low, near);
      high = Math.min(high, far);
    }
    const margin = 0.05 * (high - low) || 1;
    return [low - margin, high + margin];
  }

  function trace(line, key) {
    return {
      x: line.at,
      y: line[key],
      name: line.label,
      mode: "lines",
      connectgaps: false,
      opacity: line.faint ? 0.4 : 1,
      hoverinfo: line.faint ? "skip" : "all",
      line: {
        color: lineColour(line.colour),
        dash: lineDash(line),
        width: line.faint ? 1.5 : 2.5,
        simplify: false,
      },
    };
  }

  function layout(picture, title, lines) {
    const axis = {
      gridcolor: colour("grid"),
      zerolinecolor: colour("zero"),
      linecolor: colour("zero"),
      fixedrange: true,
      automargin: true,
    };
    const degrees = picture.unit === "degree" ? { dtick: 30 } : {};
    return {
      autosize: true,
      margin: { l: 8, r: 8, t: 32, b: 8 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("text"), family: "inherit", size: 13 },
      title: { text: title, font: { size: 14 }, x: 0, xref: "paper", xanchor: "left", y: 0.98 },
      showlegend: false,
      hovermode: "x unified",
      hoverlabel: { bgcolor: colour("card"), font: { color: colour("text") } },
      xaxis: { ...axis, ...degrees, title: { text: picture.axis, font: { size: 12 } } },
      yaxis: { ...axis, range: limits(lines) },
    };
  }

  function swatch(line) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 32 8");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M1 4H31");
    path.setAttribute("stroke", lineColour(line.colour));
    path.setAttribute("stroke-width", "3");
    path.setAttribute("stroke-dasharray", SWATCHES[lineDash(line)]);
    svg.append(path);
    return svg;
  }

  function digits(value) {
    return value === null ? "not finite" : String(Number(value.toPrecision(3)));
  }

  function inWords(picture, lines, key, title) {
    const ends = lines
      .filter((line) => !line.faint)
      .map((line) => {
        const [first, last] = [line[key][0], line[key][line[key].length - 1]];
        return `${line.label}: from ${digits(first)} to ${digits(last)}`;
      });
    const at = lines[0].at;
    return `${title} over ${picture.axis}, from ${at[0]} to ${at[at.length - 1]}. ${ends.join("; ")}.`;
  }

  function table(picture, lines) {
    const shown = lines.filter((line) => !line.faint);
    const head = [picture.axis, ...shown.flatMap((l) => [`loss, ${l.label}`, `gradient, ${l.label}`])];
    const count = shown[0].at.length;
    const rows = [];
    for (let row = 0; row < 9; row += 1) {
      const i = Math.round((row * (count - 1)) / 8);
      const cells = shown.flatMap((l) => [digits(l.loss[i]), digits(l.gradient[i])]);
      rows.push(
        element(
          "tr", {},
          element("th", { scope: "row" }, digits(shown[0].at[i])),
          ...cells.map((cell) => element("td", {}, cell))
        )
      );
    }
    const headings = head.map((text) => element("th", { scope: "col" }, text));
    return element(
      "table", { class: "numbers" },
      element("thead", {}, element("tr", {}, ...headings)),
      element("tbody", {}, ...rows)
    );
  }

  /** A place for a picture: two panels, a legend, and the numbers as a table. */
  function make() {
    const panels = ["loss", "gradient"].map((key) =>
      element("div", { class: "panel", role: "img", "data-key": key })
    );
    const legend = element("ul", { class: "legend", "aria-label": "Curves" });
    const numbers = element("div", { class: "wide", role: "region", tabindex: "0" });
    const root = element(
      "div", { class: "picture" },
      element("div", { class: "panels" }, ...panels),
      legend,
      element("details", {}, element("summary", {}, "The numbers as a table"), numbers)
    );
    const picture = { root, panels, legend, numbers, last: null };
    drawn.add(picture);
    return picture;
  }

  /** Let a style sheet scale what is drawn, as the one for paper does. */
  function scalable(panel) {
    for (const svg of panel.querySelectorAll(".main-svg")) {
      svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${svg.getAttribute("height")}`);
    }
  }

  /** Draw lines: each has a label, points `at`, `loss`, `gradient`, a colour and a dash. */
  function draw(place, picture, lines) {
    place.last = [picture, lines];
    for (const panel of place.panels) {
      const key = panel.dataset.key;
      const title = key === "loss" ? "loss" : `gradient: d loss / d ${picture.unit}`;
      panel.setAttribute("aria-label", inWords(picture, lines, key, key));
      Plotly.react(
        panel,
        lines.map((line) => trace(line, key)),
        layout(picture, title, lines.map((line) => line[key])),
        { displayModeBar: false, responsive: true }
      );
      if (!panel.watched) panel.on("plotly_afterplot", () => scalable(panel));
      panel.watched = true;
      scalable(panel);
    }
    const entries = lines
      .filter((line) => !line.faint)
      .map((line) => element("li", {}, swatch(line), " ", line.label));
    const faint = lines.some((line) => line.faint);
    if (faint) entries.push(element("li", { class: "faint" }, "faint: as it was before"));
    place.legend.replaceChildren(...entries);
    place.numbers.replaceChildren(table(picture, lines));
    place.numbers.setAttribute("aria-label", `Numbers over ${picture.axis}`);
  }

  function remove(place) {
    for (const panel of place.panels) Plotly.purge(panel);
    drawn.delete(place);
    place.root.remove();
  }

  /** What moves a loss's parameters. `changed` is called with the move and its position. */
  function controls(figure, prefix, changed) {
    const root = element("div", { class: "moves", role: "group", "aria-label": "Parameters" });
    const current = { move: null, position: 0 };
    const parts = figure.moves.map((move, number) => {
      const id = `${prefix}-${number}`;
      const output = element("output", { for: id });
      const control = move.number
        ? element("input", { id, type: "range", min: 0, max: move.values.length - 1, step: 1 })
        : element(
            "select", { id },
            ...move.values.map((text, i) => element("option", { value: i }, text))
          );
      const label = element("label", { for: id }, move.name);
      control.addEventListener("input", () => set(move.name, Number(control.value), true));
      root.append(element("div", { class: "move" }, label, control, move.number ? output : ""));
      return { move, control, output };
    });

    /** Move one parameter; the others go back, since one at a time is what was computed. */
    function set(name, position, byHand) {
      const chosen = parts.find((part) => part.move.name === name);
      const moved = chosen && position !== chosen.move.start ? chosen.move : null;
      current.move = moved;
      current.position = position;
      for (const { move, control, output } of parts) {
        const at = move === moved ? position : move.start;
        control.value = at;
        output.textContent = move.values[at];
        if (move.number) control.setAttribute("aria-valuetext", move.values[at]);
      }
      if (byHand) changed();
    }

    /** The name and the value of what is moved, if anything is. */
    function value() {
      return current.move && [current.move.name, current.move.values[current.position]];
    }

    /** Move to a value, or to the start if there is none. False if it is not one of those drawn. */
    function restore(name, text) {
      const move = figure.moves.find((move) => move.name === name);
      const position = move ? move.values.indexOf(text) : -1;
      set(position < 0 ? null : name, position, false);
      return name === null || position >= 0;
    }

    /** All to the start; the keyboard stays where it was. */
    function reset() {
      const part = parts.find(({ move }) => move === current.move);
      set(null, 0, true);
      if (part) part.control.focus();
    }

    function curves() {
      return current.move ? current.move.curves[current.position] : figure.curves;
    }

    set(null, 0, false);
    return { root, value, restore, curves, reset };
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of drawn) if (place.last) draw(place, ...place.last);
  });

  return { make, draw, remove, controls };
})();
