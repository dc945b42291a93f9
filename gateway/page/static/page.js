"use strict";
// Offers as they come and expire: the server sends the part of the page that changes. Without this script "Look again" does the same.
(() => {
  const place = document.getElementById("live");
  if (!place || !window.EventSource) return;
  const source = new EventSource(place.dataset.source);
  source.onmessage = (message) => {
    const focused = place.contains(document.activeElement) && document.activeElement.closest("article");
    if (focused) return; // an offer that is being answered stays until it is sent
    place.innerHTML = message.data;
  };
  source.addEventListener("stop", () => {
    source.close();
    location.reload();
  });
})();
