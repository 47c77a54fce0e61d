// What all pages share. Plain scripts: a page opened from a folder can load no modules.
"use strict";

var lossplug = (function () {
  const received = new Map();
  const waiting = new Map();

  /** Say something to those who hear the page. */
  function say(text) {
    document.getElementById("said").textContent = text;
  }

  /** The state that the address keeps. */
  function state() {
    return new URLSearchParams(location.hash.slice(1));
  }

  /** Keep a state in the address, without an entry in the history for each letter. */
  function keep(parameters) {
    const text = parameters.toString();
    const url = location.pathname + location.search + (text ? "#" + text : "");
    try {
      history.replaceState(null, "", url);
    } catch {
      location.replace("#" + text);
    }
  }

  /** The numbers of a picture, told by its file in data/. */
  function receive(name, figure) {
    received.set(name, figure);
    (waiting.get(name) || []).forEach((resolve) => resolve(figure));
    waiting.delete(name);
  }

  /** The numbers of a picture, whenever they are there; from a file if one is named. */
  function figure(name, file) {
    if (received.has(name)) return Promise.resolve(received.get(name));
    return new Promise((resolve, reject) => {
      if (waiting.has(name)) {
        waiting.get(name).push(resolve);
        return;
      }
      waiting.set(name, [resolve]);
      if (file) {
        const script = document.createElement("script");
        script.src = file;
        script.onerror = () => reject(new Error("There is no " + file));
        document.head.append(script);
      }
    });
  }

  /** Text as a search reads it: `nt-xent`, `NT_Xent` and `NTXent` are one word. */
  function folded(text) {
    return text.toLowerCase().replace(/[-_]/g, "");
  }

  /** Whether a folded text has all words of a query. `FocalLoss` is `focal`: all here are losses. */
  function finder(query) {
    const words = query.split(/\s+/).map(folded);
    const has = (text, word) => text.includes(word) || text.includes(word.replace(/loss(es)?$/, ""));
    return (text) => words.every((word) => has(text, word));
  }

  /** An element with attributes and content, which is text unless it is an element. */
  function element(tag, attributes, ...content) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...content);
    return made;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copies);
    let copied = true;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      copied = document.execCommand("copy");
      if (copied) selection.removeAllRanges();
    }
    const said = copied ? "Copied" : "Selected: press Ctrl+C";
    say(said);
    button.textContent = said;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  for (const button of document.querySelectorAll("[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  // By hand, as the address has another use.
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });

  document.addEventListener("keydown", (event) => {
    const search = document.getElementById("q");
    const typing = event.target.closest("input, select, textarea");
    if (search && event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    }
  });

  return { say, state, keep, receive, figure, folded, finder, element };
})();
