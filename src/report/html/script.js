// Everything can be read without this: it only filters, copies and opens.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // A link to something folded away opens it.
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  for (const button of all("button.copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("pre").textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // Each section with tools filters its items by the words and the verdict.
  for (const section of all("section[data-filter]")) {
    const items = all("[data-verdict]", section).filter((item) => !item.closest(".tools"));
    const causes = all("details.cause", section);
    const search = section.querySelector("input[type=search]");
    const told = section.querySelector("[role=status]");
    let verdict = "";
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const item of items) {
        const text = (item.dataset.words || item.textContent).toLowerCase();
        item.hidden = (verdict && item.dataset.verdict !== verdict) || !words.every((word) => text.includes(word));
        if (!item.hidden) shown += 1;
      }
      // What is looked for is shown, wherever it is folded away.
      for (const cause of causes) {
        cause.hidden = !cause.querySelector("[data-verdict]:not([hidden])");
        if (verdict || words.length) cause.open = true;
      }
      told.textContent = shown === items.length ? "" : `${shown} of ${items.length}`;
    };
    search.addEventListener("input", apply);
    for (const button of all("button[data-verdict]", section)) {
      button.addEventListener("click", () => {
        verdict = verdict === button.dataset.verdict ? "" : button.dataset.verdict;
        for (const other of all("button[data-verdict]", section)) {
          other.setAttribute("aria-pressed", String(other.dataset.verdict === verdict));
        }
        apply();
      });
    }
    for (const button of all("button[data-open]", section)) {
      button.addEventListener("click", () => {
        for (const item of all("details", section)) item.open = button.dataset.open === "true";
      });
    }
  }

  const save = document.getElementById("save");
  if (save) {
    save.addEventListener("click", () => {
      const blob = new Blob([document.getElementById("result").textContent], { type: "application/json" });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "result.json";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }
})();
