"use strict";
// The page reads well without this: it only finds, sorts and opens.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

all(".needs-script").forEach((element) => { element.hidden = false; });

const openTarget = () => {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", openTarget);
openTarget();

const openAll = (open) => all(".step").forEach((step) => { step.open = open; });
byId("open-all")?.addEventListener("click", () => openAll(true));
byId("close-all")?.addEventListener("click", () => openAll(false));
addEventListener("beforeprint", () => all("details").forEach((details) => { details.open = true; }));

byId("find-table")?.addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  const nodes = all(".node");
  const found = (node) => wanted !== "" && node.querySelector("title").textContent.toLowerCase().includes(wanted);
  nodes.forEach((node) => {
    node.classList.toggle("found", found(node));
    node.classList.toggle("dim", wanted !== "" && !found(node));
  });
  nodes.find(found)?.scrollIntoView({ block: "nearest", inline: "nearest" });
});

byId("find-step")?.addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  all(".migration").forEach((migration) => {
    const steps = all(".step", migration);
    steps.forEach((step) => { step.hidden = !step.textContent.toLowerCase().includes(wanted); });
    migration.hidden = steps.every((step) => step.hidden);
  });
});

all("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  all("th.number", table.tHead).forEach((head) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      const value = (row) => Number(row.cells[head.cellIndex].dataset.value);
      all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...all("tr", body).sort((a, b) => (down ? value(b) - value(a) : value(a) - value(b))));
    });
  });
});
