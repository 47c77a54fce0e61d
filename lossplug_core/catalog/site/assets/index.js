// The list of losses: search as one types, filters, and what is chosen to be compared.
"use strict";

(function () {
  const form = document.getElementById("find");
  const search = document.getElementById("q");
  const filters = [...form.querySelectorAll("select")];
  const rows = [...document.querySelectorAll("#items > li")];
  const boxes = [...document.querySelectorAll(".pick input")];
  const texts = new Map(
    rows.map((row) => [row, lossplug.folded(row.textContent + " " + row.dataset.also)])
  );

  function chosen(row, filter) {
    const told = row.dataset[filter.name];
    return !filter.value || told === filter.value || told.split("|").includes(filter.value);
  }

  function fits(row, found) {
    return found(texts.get(row)) && filters.every((filter) => chosen(row, filter));
  }

  function show() {
    const found = lossplug.finder(search.value);
    let count = 0;
    for (const row of rows) {
      row.hidden = !fits(row, found);
      if (!row.hidden) count += 1;
    }
    const filtered = search.value.trim() || filters.some((filter) => filter.value);
    document.getElementById("count").textContent = `${count} of ${rows.length} shown`;
    document.getElementById("clear").hidden = !filtered;
    document.getElementById("none").hidden = count > 0;
  }

  function picked() {
    const names = boxes.filter((box) => box.checked).map((box) => box.value);
    const link = document.getElementById("picked-link");
    link.href = "compare.html#" + new URLSearchParams(names.map((name) => ["show", name]));
    document.getElementById("picked").hidden = names.length === 0;
    document.getElementById("picked-count").textContent = `${names.length} chosen`;
    return names;
  }

  function keep() {
    const parameters = new URLSearchParams();
    if (search.value) parameters.set("q", search.value);
    for (const filter of filters) if (filter.value) parameters.set(filter.name, filter.value);
    for (const name of picked()) parameters.append("pick", name);
    lossplug.keep(parameters);
  }

  function restore() {
    const state = lossplug.state();
    search.value = state.get("q") || "";
    for (const filter of filters) {
      filter.value = state.get(filter.name) || "";
      if (filter.selectedIndex < 0) filter.value = "";
    }
    const names = state.getAll("pick");
    for (const box of boxes) box.checked = names.includes(box.value);
    picked();
    show();
  }

  form.addEventListener("input", () => {
    show();
    keep();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () =>
    setTimeout(() => {
      show();
      keep();
      search.focus();
    })
  );
  for (const box of boxes) box.addEventListener("change", keep);
  document.getElementById("picked-clear").addEventListener("click", () => {
    for (const box of boxes) box.checked = false;
    keep();
    search.focus();
  });
  addEventListener("hashchange", restore);
  restore();
})();
