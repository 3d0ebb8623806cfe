"use strict";
// Adds to a page that is complete without it: marks in the contents where one is, takes the focus from boxes that do
// not scroll, sorts tables, narrows the units down, and enlarges pictures. On the page of a large model it also builds
// what is in a fold when that is opened.

const all = (selector, under = document) => [...under.querySelectorAll(selector)];

// -- where one is ----------------------------------------------------------------------------------------------------

// the page of a layer has links to other pages here, too
const links = new Map(all('.contents a[href^="#"]').map((link) => [link.hash.slice(1), link]));
const sections = [...links.keys()].map((id) => document.getElementById(id)).filter(Boolean);

// the blocks in the contents that are open because one is in them; only where the contents stand beside the page, since
// above it they would move what one reads
let opened = [];
const beside = matchMedia("(min-width: 68rem)");

function openFolds(link) {
  const folds = [];
  for (let fold = link.closest("details"); fold; fold = fold.parentElement.closest("details")) folds.push(fold);
  opened.filter((fold) => !folds.includes(fold)).forEach((fold) => { fold.open = false; });
  opened = folds.filter((fold) => opened.includes(fold) || !fold.open);
  opened.forEach((fold) => { fold.open = true; });
}

function markPlace() {
  const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
  const here = passed[passed.length - 1] || sections[0];
  for (const [id, link] of links) {
    if (here && id === here.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (here && beside.matches) openFolds(links.get(here.id));
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

function makeSortable(table) {
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

// -- folds that are built when they are opened -----------------------------------------------------------------------

const dataOf = (fold) => fold.querySelector(":scope > script");

function contentOf(data, { pictures = true } = {}) {
  const made = document.createElement("template"), content = JSON.parse(data.textContent);
  made.innerHTML = pictures ? content : content.replace(/ src="data:[^"]*"/g, "");
  return made.content;
}

function build(fold) {
  const data = dataOf(fold);
  if (!data) return;
  data.previousElementSibling.remove();
  data.replaceWith(contentOf(data));
  enhance(fold);
}

document.addEventListener("toggle", ({ target }) => {
  if (target.open && target.matches(".fold")) build(target);
}, true);

// the id that the address leads to; as it stands there where it is no encoding of one
function anchorInAddress() {
  const encoded = location.hash.slice(1);
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

// a unit's id begins with that of its layer, and a figure's ends with the number of its layer
function foldOf(id) {
  const [, layer] = id.match(/^(.*)\/u\d+$/s) || [];
  const [, number] = id.match(/-(\d+)$/) || [];
  return all(".fold").find((fold) => layer !== undefined ? fold.dataset.units === layer : fold.dataset.layer === number);
}

function goTo(id) {
  const there = document.getElementById(id);
  if (there) {
    // what leads to a layer is about what stands in its fold
    if (there.matches("section.layer")) all(":scope > .fold", there).forEach((fold) => { fold.open = true; });
    return;
  }
  const fold = foldOf(id);
  if (!fold || !dataOf(fold)) return;
  build(fold);
  const target = document.getElementById(id);
  if (!target) return;
  for (let at = target.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
  // once more, now that it is there: this is what also makes it the target of the style sheet
  location.replace(`#${encodeURIComponent(id)}`);
  target.scrollIntoView();
}

// -- narrowing the units down ----------------------------------------------------------------------------------------

const form = document.querySelector(".filter");
const found = document.querySelector(".found");
const FOUND_AT_ONCE = 100;

function unitOf(row, layer, root) {
  const link = row.querySelector("th a");
  const anchor = link ? decodeURIComponent(link.hash.slice(1)) : row.id;
  const card = link && root.getElementById(anchor).closest(".card");
  return {
    row, card, anchor, layer: layer.dataset.layer, state: row.dataset.state || "healthy",
    prefers: row.cells[8].textContent, words: `${row.textContent} ${card ? card.textContent : ""}`.toLowerCase(),
  };
}

const unitsIn = (content, layer, root) => all("table.units tbody tr", content).map((row) => unitOf(row, layer, root));

// The units of a fold that may not be built yet, in words alone.
function unitsOf(section) {
  const data = dataOf(section.querySelector(".fold"));
  const content = data ? contentOf(data, { pictures: false }) : section;
  return unitsIn(content, section, data ? content : document).map(({ row, card, ...unit }) => (
    { ...unit, cells: [...row.cells].map((cell) => cell.textContent) }
  ));
}

function asked() {
  const { state, layer, class: prefers, text } = Object.fromEntries(new FormData(form));
  const words = text.trim().toLowerCase();
  const fits = (unit) => (!state || unit.state === state) && (!layer || unit.layer === layer)
    && (!prefers || unit.prefers === prefers) && (!words || unit.words.includes(words));
  return { active: Boolean(state || layer || prefers || words), fits };
}

function count(shown, total) {
  const output = form.querySelector("output"), number = (n) => n.toLocaleString("en");
  output.value = output.dataset.count.replace("%s", number(shown)).replace("%t", number(total));
}

// Hides what does not fit, on a page that has all units.
function narrow(layers) {
  const { active, fits } = asked();
  let shown = 0, total = 0;
  for (const { section, units } of layers) {
    let fitting = 0;
    for (const unit of units) {
      const stays = fits(unit);
      unit.row.hidden = !stays;
      if (unit.card) unit.card.hidden = !stays;
      if (unit.cell) unit.cell.classList.toggle("out", !stays);
      fitting += stays;
    }
    section.hidden = active && !fitting;
    section.classList.toggle("narrowed", active);
    if (active) section.querySelector(".all-units").open = true;
    shown += fitting;
    total += units.length;
  }
  count(shown, total);
}

function rowOf(unit) {
  const row = document.createElement("tr");
  [unit.layer, ...unit.cells].forEach((words, n) => {
    const cell = document.createElement(n > 1 ? "td" : "th");
    if (n <= 1) cell.scope = "row";
    if (n === 1) {
      const link = document.createElement("a");
      link.href = `#${encodeURIComponent(unit.anchor)}`;
      cell.append(link);
    }
    (cell.firstChild || cell).textContent = words;
    row.append(cell);
  });
  return row;
}

// Lists what fits, on a page whose units are in folds.
function list(layers) {
  const { active, fits } = asked(), fitting = [];
  let total = 0;
  for (const { section, units } of layers) {
    const those = active ? units.filter(fits) : units;
    section.hidden = !those.length;
    total += units.length;
    fitting.push(...those);
  }
  const body = found.querySelector("tbody"), more = found.querySelector("button");
  const show = () => {
    const next = body.rows.length;
    body.append(...fitting.slice(next, next + FOUND_AT_ONCE).map(rowOf));
    more.parentElement.hidden = body.rows.length >= fitting.length;
    return body.rows[next];
  };
  body.replaceChildren();
  found.hidden = !active || !fitting.length;
  // the button may be gone afterwards, and with it the focus
  more.onclick = () => show().querySelector("a").focus();
  if (active) show();
  count(fitting.length, total);
}

function startNarrowing() {
  const sections = all("section.layer");
  let layers = null;
  const update = () => {
    if (found) {
      // only when somebody looks for something: it takes a moment
      layers ||= sections.map((section) => ({ section, units: unitsOf(section) }));
      list(layers);
      return;
    }
    if (!layers) {
      const cells = new Map(all(".strip a").map((cell) => [decodeURIComponent(cell.hash.slice(1)), cell]));
      const withCell = (unit) => ({ ...unit, cell: cells.get(unit.anchor) });
      layers = sections.map((section) => ({ section, units: unitsIn(section, section, document).map(withCell) }));
    }
    narrow(layers);
  };
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  const total = Number(form.querySelector("output").dataset.all);
  if (found) count(total, total);
  else update();
}

if (form) startNarrowing();

// -- enlarging -------------------------------------------------------------------------------------------------------

const dialog = document.querySelector("dialog");

function enlarge(picture) {
  const copy = picture.cloneNode();
  copy.classList.remove("zoom");
  dialog.querySelector("div").replaceChildren(copy);
  dialog.querySelector("p").textContent = picture.alt;
  dialog.showModal();
}

function makeLarger(picture) {
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

// what is folded is printed, but for cards: those of units with something to say about them are open anyway
let openedToPrint = [];
addEventListener("beforeprint", () => {
  openedToPrint = all("details:not([open], .card, .card *, .fold)");
  openedToPrint.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => openedToPrint.forEach((details) => { details.open = false; }));

// -- the page, and what is built later -------------------------------------------------------------------------------

function enhance(root) {
  all(".scroll", root).forEach((box) => sizes.observe(box));
  all("table.sortable", root).forEach(makeSortable);
  all("img.zoom", root).forEach(makeLarger);
}

enhance(document);
addEventListener("hashchange", () => {
  goTo(anchorInAddress());
  const target = document.getElementById(anchorInAddress());
  if (form && target && target.closest("[hidden]")) {
    form.reset();
    // after what that shows again
    setTimeout(() => target.scrollIntoView());
  }
});
if (location.hash) goTo(anchorInAddress());
