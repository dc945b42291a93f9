// Keeps the figures fresh: the server sends the same piece of page that it rendered at load, and this
// puts it in place without losing the reader's: an opened table, the focus, a selection of text.
"use strict";

(() => {
  const place = document.getElementById("live");
  const pulse = document.querySelector("[data-pulse]");
  if (!place || !pulse || !("EventSource" in window)) return;
  const words = pulse.querySelector("[data-pulse-words]");
  const button = pulse.querySelector("[data-pulse-button]");
  let source = null;

  const say = (state, text) => {
    pulse.dataset.pulse = state;
    if (words.textContent !== text) words.textContent = text;
  };

  const selecting = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && place.contains(selection.anchorNode);
  };

  const show = (html) => {
    if (selecting()) return; // the next update comes soon enough
    const open = [...place.querySelectorAll("details[open]")].map((element) => element.id);
    const focused = place.contains(document.activeElement) ? document.activeElement : null;
    const href = focused && focused.getAttribute("href");
    const summary = focused && focused.matches("summary") ? focused.parentElement.id : null;
    const scrolled = [...place.querySelectorAll(".scroll")].map((element) => element.scrollLeft);
    place.innerHTML = html;
    open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    place.querySelectorAll(".scroll").forEach((element, index) => { element.scrollLeft = scrolled[index] ?? 0; });
    if (href) place.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
    if (summary) document.querySelector(`#${summary} > summary`)?.focus({ preventScroll: true });
  };

  const start = () => {
    source = new EventSource(place.dataset.stream);
    source.onopen = () => say("on", "Live");
    source.onmessage = (message) => show(message.data);
    source.onerror = () => say("lost", source.readyState === EventSource.CLOSED ? "Not live: reload to try again" : "Connecting again");
    button.textContent = "Pause";
  };

  const stop = () => {
    source.close();
    source = null;
    say("off", "Paused");
    button.textContent = "Resume";
  };

  button.addEventListener("click", () => (source ? stop() : start()));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (shown) => { if (shown.persisted && source) start(); });
  pulse.hidden = false;
  start();
})();
