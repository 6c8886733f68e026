// Comfort on top of pages that work without it: fresh figures, and keys. It asks the server for the
// page again and takes over the parts marked data-live; nothing is built from data here.
"use strict";

const state = document.getElementById("live-state");
let waiting = false;

async function refresh() {
  if (waiting || document.hidden) return;
  waiting = true;
  try {
    const answer = await fetch(location.href, { headers: { "x-waybill-live": "1" }, redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (!answer.ok) return stale();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(old.id);
      // what somebody is reading with the keyboard, has marked or has typed stays
      if (!fresh || old.contains(document.activeElement) || marked(old) || typed(old)) continue;
      old.replaceWith(document.importNode(fresh, true));
    }
    const now = page.getElementById("live-state");
    if (state && now) state.replaceChildren(...document.importNode(now, true).childNodes);
  } catch {
    stale();
  } finally {
    waiting = false;
  }
}

function marked(element) {
  const selection = getSelection();
  return !!selection && !selection.isCollapsed && element.contains(selection.anchorNode);
}

function typed(element) {
  return [...element.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);
}

function stale() {
  if (state) state.textContent = "The console does not answer: what is shown is old.";
}

if (document.querySelector("[data-live]") && document.querySelector("#body.clear") === null) {
  const events = new EventSource("/live");
  events.addEventListener("look", refresh);
  // refused: the session may be over, and the page itself says so
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) refresh(); };
  document.addEventListener("visibilitychange", refresh);
  addEventListener("pagehide", () => events.close());
}

const help = document.getElementById("help");
const button = document.getElementById("help-button");
if (button && help) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}

let after = "";
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || (help && help.open)) return;
  if (after === "g") {
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    after = "";
    if (link) link.click();
  } else if (event.key === "/") {
    event.preventDefault();
    document.getElementById("q").focus();
  } else if (event.key === "?" && help) {
    help.showModal();
  } else {
    after = event.key === "g" ? "g" : "";
  }
});
