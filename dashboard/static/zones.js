// Lets the zones of an offer be chosen on the map: a click on a zone ticks its box. The boxes work without scripts and with the keyboard.
"use strict";

(() => {
  for (const plan of document.querySelectorAll(".picks")) {
    const boxes = [...plan.closest("fieldset").querySelectorAll('input[type="checkbox"]')];
    const show = () => {
      for (const zone of plan.querySelectorAll("[data-zone]")) {
        zone.classList.toggle("chosen", boxes.some((box) => box.checked && box.value === zone.dataset.zone));
      }
    };
    plan.addEventListener("click", (event) => {
      const zone = event.target.closest("[data-zone]");
      const box = zone && boxes.find((one) => one.value === zone.dataset.zone);
      if (!box) return;
      box.checked = !box.checked;
      box.dispatchEvent(new Event("change", { bubbles: true }));
    });
    plan.closest("fieldset").addEventListener("change", show);
    plan.classList.add("live");
    show();
  }
})();
