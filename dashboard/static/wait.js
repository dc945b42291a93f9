// Asks for the page again while its work is under way, and then shows the result. Without scripts a link does the same.
"use strict";

(() => {
  const look = async () => {
    const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
    const text = answer && answer.ok ? await answer.text() : "";
    const main = text && new DOMParser().parseFromString(text, "text/html").getElementById("main");
    const now = document.getElementById("wait");
    if (main && !main.querySelector("#wait")) document.getElementById("main").replaceWith(main);
    else if (main) now.replaceWith(main.querySelector("#wait"));
    if (document.getElementById("wait")) setTimeout(look, 1500);
  };
  if (document.getElementById("wait")) setTimeout(look, 1500);
})();
