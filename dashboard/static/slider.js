// Shows the time of a slider as soon as it is let go. Without scripts its button does the same.
"use strict";

(() => {
  const slider = document.querySelector("[data-slider]");
  if (!slider) return;
  const button = slider.form.querySelector("button");
  slider.addEventListener("change", () => slider.form.requestSubmit());
  slider.addEventListener("input", () => { button.textContent = new Date(Number(slider.value)).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }); });
})();
