// Updates the figures: the server sends the changing part of the page again, and this script replaces it.
// Opened tables, focus, scroll positions and a selection of text are kept.
"use strict";

(() => {
  const place = document.getElementById("live");
  const status = document.querySelector("[data-status]");
  if (!place || !status || !("EventSource" in window)) return;
  const label = status.querySelector("[data-status-text]");
  const button = status.querySelector("[data-status-button]");
  let source = null;

  const report = (state, text) => {
    status.dataset.status = state;
    if (label.textContent !== text) label.textContent = text;
  };

  const selecting = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && place.contains(selection.anchorNode);
  };

  const show = (html) => {
    if (selecting()) return; // a later update replaces it
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
    source.onopen = () => report("on", "Live");
    source.onmessage = (message) => show(message.data);
    source.onerror = () => report("lost", source.readyState === EventSource.CLOSED ? "Disconnected: reload the page" : "Reconnecting");
    button.textContent = "Pause";
  };

  const stop = () => {
    source.close();
    source = null;
    report("off", "Paused");
    button.textContent = "Resume";
  };

  button.addEventListener("click", () => (source ? stop() : start()));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (shown) => { if (shown.persisted && source) start(); });
  status.hidden = false;
  start();
})();
