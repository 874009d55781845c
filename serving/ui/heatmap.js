/** Hazard ratios of all genes in all cohorts: a table whose cells are coloured, and a grid for the arrow keys. */

import { choice, html, scrolled } from "./elements.js";
import { MEASURES, ratioOf } from "./forest.js";
import { referenceWords } from "./references.js";
import { fixed, isKnown, probabilityWords, withInterval } from "./words.js";

/** Absolute log hazard ratios from which a cell is darker. */
const STEPS = [0.1, 0.25, 0.45];

/**
 * @param {any[]} models
 * @param {any[]} scans of `/hazard-ratios`, in the order of the models
 * @param {(model: any, gene: string) => void} pick called with the cell that was chosen
 * @returns {HTMLElement}
 */
export function heatmap(models, scans, pick) {
  const box = html("div");
  const draw = (measure) => box.replaceChildren(grid(models, scans, measure, pick));
  const measure = choice("heatmap-measure", "Hazard ratio", MEASURES, draw);
  draw(MEASURES[0][0]);
  return html(
    "figure",
    { class: "chart heatmap" },
    html("figcaption", {}, "Every gene in every cohort"),
    html(
      "p",
      { class: "hint" },
      "Univariate hazard ratios; above 1, high expression is worse. A dot marks q < 0.05; the genes that have most of them stand first. " +
        "Arrow keys move between cells; Enter shows the gene's survival curves.",
    ),
    html(
      "ul",
      { class: "legend" },
      legend().map(([tone, text]) => html("li", {}, html("span", { class: `cell-swatch ${tone}` }), text)),
    ),
    measure.field,
    box,
  );
}

function legend() {
  return [
    ["better-3", "high is better"],
    ["even", "no difference"],
    ["worse-3", "high is worse"],
  ];
}

function grid(models, scans, measure, pick) {
  const bySymbol = scans.map((scan) => new Map(scan.hazard_ratios.map((row) => [row.gene, ratioOf(row, measure)])));
  const genes = [...new Set(scans.flatMap((scan) => scan.hazard_ratios.map((row) => row.gene)))];
  const clearness = new Map(genes.map((gene) => [gene, clearIn(bySymbol.map((rows) => rows.get(gene)))]));
  genes.sort((a, b) => clearness.get(b) - clearness.get(a));
  const heads = models.map((model) =>
    html(
      "th",
      { scope: "col" },
      model.cancer_type,
      html("span", { class: "endpoint" }, model.endpoint + referenceWords(model)),
    ),
  );
  const rows = genes.map((gene) =>
    html(
      "tr",
      {},
      html("th", { scope: "row" }, gene),
      models.map((model, index) => cell(model, gene, bySymbol[index].get(gene), pick)),
    ),
  );
  const drawn = html(
    "table",
    { class: "heat", role: "grid", "aria-label": "Hazard ratios by gene and cohort" },
    html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "Gene"), heads)),
    html("tbody", {}, rows),
  );
  moveByArrows(drawn);
  return scrolled("Hazard ratios by gene and cohort", drawn);
}

/** In how many cohorts it is clear, and of equals which is clearer. */
function clearIn(ratios) {
  const tested = ratios.map((ratio) => ratio?.q).filter(isKnown);
  return tested.filter((q) => q < 0.05).length + tested.reduce((total, q) => total + (1 - q), 0) / (10 * ratios.length);
}

function cell(model, gene, ratio, pick) {
  if (!isKnown(ratio?.value)) return html("td", { role: "gridcell", tabindex: -1, class: "none" }, "–");
  const clear = isKnown(ratio.q) && ratio.q < 0.05;
  const where = `${gene} in ${model.cancer_type}${referenceWords(model)}`;
  const words = `${where}: hazard ratio ${withInterval(ratio)}, q ${probabilityWords(ratio.q)}`;
  const choose = () => pick(model, gene);
  return html(
    "td",
    {
      role: "gridcell",
      tabindex: -1,
      class: `${tone(ratio.value)}${clear ? " clear" : ""}`,
      "aria-label": words,
      title: words,
      click: choose,
      keydown: (/** @type {any} */ event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          choose();
        }
      },
    },
    fixed(ratio.value, 2),
  );
}

function tone(ratio) {
  const size = STEPS.filter((step) => Math.abs(Math.log(ratio)) >= step).length;
  if (size === 0) return "even";
  return `${ratio > 1 ? "worse" : "better"}-${size}`;
}

function moveByArrows(drawn) {
  const cells = [...drawn.querySelectorAll("tbody tr")].map((row) => [...row.querySelectorAll("td")]);
  if (!cells.length) return;
  cells[0][0].tabIndex = 0;
  drawn.addEventListener("keydown", (event) => {
    const row = cells.findIndex((each) => each.includes(/** @type {any} */ (event.target)));
    if (row < 0) return;
    const column = cells[row].indexOf(/** @type {any} */ (event.target));
    const next = step(/** @type {KeyboardEvent} */ (event).key, row, column, cells);
    if (!next) return;
    event.preventDefault();
    cells[row][column].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

function step(key, row, column, cells) {
  const moves = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
  if (key === "Home") return cells[row][0];
  if (key === "End") return cells[row].at(-1);
  const [down, right] = moves[key] ?? [0, 0];
  return down || right ? cells[row + down]?.[column + right] : null;
}
