// Helps while the campaign is edited: the previews follow the typed title and text, and a rule is completed and checked.
// Without scripts the previews show the saved wording, and a rule is checked with everything else.
"use strict";

(() => {
  const value = (name) => document.getElementsByName(name)[0];

  for (const group of document.querySelectorAll("[data-previews]")) {
    const offer = group.closest("details").querySelector('[name$=".zones-shown"]').name.replace(/zones-shown$/, "");
    const [title, body] = [value(`${offer}title`), value(`${offer}body`)];
    const before = [title.value, body.value];
    const show = () => {
      for (const face of group.querySelectorAll("[data-face]")) {
        const [strong, span] = [face.querySelector("strong"), face.querySelector("span")];
        face.dataset.own ??= String(strong.textContent === before[0].trim());
        if (face.dataset.own === "false") continue; // another wording is shown in this place
        strong.textContent = title.value;
        span.textContent = body.value;
        face.classList.toggle("full", title.value.length > face.dataset.titleMax || body.value.length > face.dataset.bodyMax);
      }
    };
    for (const input of [title, body]) input.addEventListener("input", show);
  }

  const known = [...document.querySelectorAll("#attributes option")].map((one) => ({ text: one.value, meaning: one.textContent }));

  for (const input of document.querySelectorAll("[data-rule]")) {
    const fault = document.getElementById(`${input.id}-fault`);
    const list = document.createElement("ul");
    list.id = `${input.id}-list`;
    list.className = "completions";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Attributes");
    list.hidden = true;
    input.after(list);
    for (const [name, text] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) input.setAttribute(name, text);
    input.setAttribute("aria-describedby", fault.id);
    let chosen = 0;
    let timer = 0;

    const start = () => input.value.slice(0, input.selectionStart).search(/[A-Za-z_][A-Za-z0-9_]*$/);
    const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const mark = () => {
      [...list.children].forEach((one, at) => one.setAttribute("aria-selected", String(at === chosen)));
      input.setAttribute("aria-activedescendant", `${list.id}-${chosen}`);
    };
    const take = (text) => {
      const from = start();
      const end = input.selectionStart;
      input.setRangeText(text, from < 0 ? end : from, end, "end");
      close();
      input.dispatchEvent(new Event("input", { bubbles: true }));
      close();
    };
    const offer = () => {
      const from = start();
      const typed = from < 0 ? "" : input.value.slice(from, input.selectionStart).toLowerCase();
      const found = typed ? known.filter((one) => one.text.toLowerCase().startsWith(typed) && one.text.toLowerCase() !== typed).slice(0, 8) : [];
      list.replaceChildren(...found.map((one, at) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${at}`;
        item.setAttribute("role", "option");
        const [name, meaning] = [document.createElement("code"), document.createElement("span")];
        name.textContent = one.text;
        meaning.textContent = one.meaning;
        item.append(name, " ", meaning);
        item.addEventListener("mousedown", (event) => { event.preventDefault(); take(one.text); });
        return item;
      }));
      if (!found.length) return close();
      chosen = 0;
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      mark();
    };
    const check = async () => {
      const text = input.value;
      const answer = await fetch(`/campaign/rule?text=${encodeURIComponent(text)}`).catch(() => null);
      const found = answer && answer.ok ? await answer.json() : null;
      if (!found || input.value !== text) return;
      fault.textContent = found.fault;
      fault.dataset.position = found.position;
      input.toggleAttribute("aria-invalid", Boolean(found.fault));
      if (found.fault) input.setAttribute("aria-invalid", "true");
    };
    input.addEventListener("input", () => { offer(); clearTimeout(timer); timer = setTimeout(check, 300); });
    input.addEventListener("blur", close);
    input.addEventListener("keydown", (event) => {
      if (list.hidden) return;
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) { chosen = (chosen + step + list.children.length) % list.children.length; mark(); }
      else if (event.key === "Enter" || event.key === "Tab") take(list.children[chosen].firstChild.textContent);
      else if (event.key === "Escape") close();
      else return;
      event.preventDefault();
    });
  }
})();
