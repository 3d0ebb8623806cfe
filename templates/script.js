"use strict";
// Adds to a page that is complete without it: marks in the contents where one is, takes the focus from boxes that do
// not scroll, sorts tables, narrows the units down, and enlarges pictures.

const all = (selector, under = document) => [...under.querySelectorAll(selector)];

// -- where one is ----------------------------------------------------------------------------------------------------

const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
const sections = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);

function markPlace() {
  const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
  const here = passed[passed.length - 1] || sections[0];
  for (const [id, link] of links) {
    if (here && id === here.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

let waiting = false;
addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; markPlace(); });
}, { passive: true });
markPlace();

// -- what scrolls ----------------------------------------------------------------------------------------------------

// each box can be scrolled by keyboard where no script runs; with one, those alone that have something to scroll
const sizes = new ResizeObserver((changed) => changed.forEach(({ target }) => {
  const scrolls = target.scrollWidth > target.clientWidth + 1;
  target.classList.toggle("sideways", scrolls);
  if (scrolls) target.tabIndex = 0;
  else target.removeAttribute("tabindex");
}));
all(".scroll").forEach((box) => sizes.observe(box));

// -- sorting ---------------------------------------------------------------------------------------------------------

function valueOf(cell) {
  const words = cell.textContent.trim();
  const number = parseFloat(words.replace(/[,<>\s]/g, "").replace("\u2212", "-"));
  return { words, number };
}

function compare(one, other) {
  const numbers = [one, other].map((value) => value.number);
  if (numbers.some(Number.isNaN)) {
    // what has no value comes last, whatever the direction
    return numbers.every(Number.isNaN) ? one.words.localeCompare(other.words) : null;
  }
  return numbers[0] - numbers[1] || one.words.localeCompare(other.words);
}

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
  rows.sort((a, b) => {
    const order = compare(a.value, b.value);
    return order === null ? Number.isNaN(a.value.number) - Number.isNaN(b.value.number) : direction * order;
  });
  body.append(...rows.map(({ row }) => row));
}

for (const table of all("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      sort(table, column, direction);
    });
  });
}

// -- narrowing the units down ----------------------------------------------------------------------------------------

const form = document.querySelector(".filter");

function unitOf(row, layer) {
  const link = row.querySelector("th a");
  const anchor = link ? decodeURIComponent(link.hash.slice(1)) : row.id;
  const card = link && document.getElementById(anchor).closest(".card");
  return {
    row, card, layer: layer.dataset.layer, state: row.dataset.state || "healthy", prefers: row.cells[8].textContent,
    cell: cells.get(anchor), words: `${row.textContent} ${card ? card.textContent : ""}`.toLowerCase(),
  };
}

const cells = new Map(all(".strip a").map((cell) => [decodeURIComponent(cell.hash.slice(1)), cell]));

function narrow(layers, output) {
  const { state, layer, class: prefers, text } = Object.fromEntries(new FormData(form));
  const asked = text.trim().toLowerCase();
  const active = Boolean(state || layer || prefers || asked);
  let shown = 0, total = 0;
  for (const { section, units } of layers) {
    let here = 0;
    for (const unit of units) {
      const fits = (!state || unit.state === state) && (!layer || unit.layer === layer)
        && (!prefers || unit.prefers === prefers) && (!asked || unit.words.includes(asked));
      unit.row.hidden = !fits;
      if (unit.card) unit.card.hidden = !fits;
      if (unit.cell) unit.cell.classList.toggle("out", !fits);
      here += fits;
    }
    section.hidden = active && !here;
    section.classList.toggle("narrowed", active);
    if (active) section.querySelector(".all-units").open = true;
    shown += here;
    total += units.length;
  }
  const number = (n) => n.toLocaleString("en");
  output.value = output.dataset.count.replace("%s", number(shown)).replace("%t", number(total));
}

if (form) {
  const layers = all(".layer").map((section) => ({
    section, units: all("table.units tbody tr", section).map((row) => unitOf(row, section)),
  }));
  const update = () => narrow(layers, form.querySelector("output"));
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) form.reset();
  });
  update();
}

// -- enlarging -------------------------------------------------------------------------------------------------------

const dialog = document.querySelector("dialog");

function enlarge(picture) {
  const copy = picture.cloneNode();
  copy.classList.remove("zoom");
  dialog.querySelector("div").replaceChildren(copy);
  dialog.querySelector("p").textContent = picture.alt;
  dialog.showModal();
}

for (const picture of all("img.zoom")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.title = dialog.dataset.enlarge;
  picture.replaceWith(button);
  button.append(picture);
  button.addEventListener("click", () => enlarge(picture));
}
dialog.addEventListener("click", (event) => {
  if (event.target === dialog || event.target.closest("button")) dialog.close();
});

// -- printing --------------------------------------------------------------------------------------------------------

addEventListener("beforeprint", () => all("details").forEach((details) => { details.open = true; }));
