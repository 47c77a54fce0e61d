// Follows the builds of `lossplug catalog serve`: reloads the page, or says what went wrong.
// Of all open pages of the site one asks the server and tells the others: a browser has only a few
// connections to each server, and each question is one until it is answered.
"use strict";

(function () {
  const build = Number(new URL(document.currentScript.src).searchParams.get("build"));
  const others = new BroadcastChannel("lossplug-build");
  const pauses = [1000, 4000, 16000]; // milliseconds before a question is asked again
  let known = "";
  let leaves = false;
  let ended = false;

  // There before it says anything, as screen readers want it.
  const banner = document.createElement("div");
  banner.id = "lossplug-live";
  banner.setAttribute("role", "status");
  banner.setAttribute("aria-label", "The build of this site");
  document.body.append(banner);

  const styles = document.createElement("link");
  styles.rel = "stylesheet";
  styles.href = "/-/live.css";
  document.head.append(styles);

  function made(tag, text) {
    const element = document.createElement(tag);
    element.textContent = text; // what others wrote is never HTML
    return element;
  }

  /** Show a line, and more below it that can be folded; nothing if there is no line. */
  function show(line, more, failed) {
    const folded = banner.querySelector("details:not([open])");
    banner.className = failed ? "failed" : "";
    banner.replaceChildren();
    if (more) {
      const details = document.createElement("details");
      const text = made("pre", more);
      text.tabIndex = 0; // it may have to be scrolled
      details.open = !folded;
      details.append(made("summary", line), text);
      banner.append(details);
    } else if (line) {
      banner.append(made("p", line));
    }
  }

  function take(state) {
    if (ended || leaves) return;
    known = String(state.change);
    ended = state.ended;
    if (state.build !== build && !ended) {
      leaves = true;
      location.reload();
    } else if (ended) {
      show("The server has ended. This page will not change any more.");
    } else if (state.building) {
      show(build ? "A new build is being made…" : "");
    } else if (state.failed) {
      show(build ? "The build failed. This is the one before it." : "The build failed.", state.remarks, true);
    } else {
      show(state.remarks ? "Something is wrong in this build." : "", state.remarks);
    }
  }

  async function ask() {
    const answer = await fetch("/-/build?change=" + known, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }

  async function follow() {
    let failures = 0;
    while (!ended && !leaves) {
      try {
        const state = await ask();
        failures = 0;
        others.postMessage(state);
        take(state);
      } catch {
        // A computer that slept comes back; a server that was killed does not.
        if (leaves) return;
        if (failures === pauses.length) {
          const end = { change: known, build, ended: true };
          others.postMessage(end);
          take(end);
        } else {
          await new Promise((resolve) => setTimeout(resolve, pauses[failures]));
          failures += 1;
        }
      }
    }
    await new Promise(() => {}); // nobody else need ask
  }

  others.onmessage = (event) => take(event.data);
  addEventListener("pagehide", () => (leaves = true));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  ask().then(take, () => {});
  if (navigator.locks) navigator.locks.request("lossplug-build", follow);
  else follow();
})();
