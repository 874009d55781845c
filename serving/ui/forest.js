/** The univariate hazard ratio of every panel gene as a forest, the evidence of each on demand. */

import { choice, html, scrolled } from "./elements.js";
import { evidencePanel } from "./evidence.js";
import { axisRow, intervalMark } from "./row_plots.js";
import { logarithmic, ratioDomain, ratioTicks } from "./scales.js";
import { isKnown, probabilityWords, withInterval } from "./words.js";

const FIRST_ROWS = 15;
/** @type {[string, string][]} */
export const MEASURES = [["per_sd", "per standard deviation"], ["median_split", "above the median against below"]];

/**
 * Read one hazard ratio of a gene.
 * @param {any} row of `/hazard-ratios`
 * @param {string} measure
 */
export function ratioOf(row, measure) {
  const name = `hazard_ratio_${measure}`;
  return { value: row[name], lower: row[`${name}_lower`], upper: row[`${name}_upper`], p: row[`p_${measure}`], q: row[`q_${measure}`] };
}

/** How it is drawn: worse, better, or neither shown. @param {{value: number | null, q: number | null}} ratio */
export function toneOf({ value, q }) {
  if (!isKnown(value) || !isKnown(q) || q >= 0.05) return "unclear";
  return value > 1 ? "worse" : "better";
}

/**
 * @param {{hazard_ratios: any[], citations: any[], model: any, missing: string[]}} scan
 * @returns {HTMLElement}
 */
export function forest(scan) {
  const box = html("div");
  const state = { measure: "per_sd", all: false };
  const more = html("button", { type: "button", class: "quiet more", click: () => draw({ all: !state.all }) });
  const draw = (changes) => {
    Object.assign(state, changes);
    box.replaceChildren(forestTable(scan, state));
    const hidden = scan.hazard_ratios.length - FIRST_ROWS;
    more.textContent = state.all ? "Show the clearest only" : `Show all ${scan.hazard_ratios.length} genes`;
    more.setAttribute("aria-expanded", String(state.all));
    more.hidden = hidden <= 0;
  };
  const measure = choice("forest-measure", "Hazard ratio", MEASURES, (value) => draw({ measure: value }));
  draw({});
  return html("figure", { class: "chart forest" },
    html("figcaption", {}, `Each gene by itself, in ${scan.model.cancer_type}`),
    html("p", { class: "hint" }, "Univariate hazard ratios in the cohort, above 1: high expression is worse. Coloured where q < 0.05. " +
      "They are no part of the patient's figures."),
    measure.field, box, more);
}

function forestTable(scan, { measure, all }) {
  const rows = scan.hazard_ratios.map((row) => ({ row, ratio: ratioOf(row, measure) }));
  rows.sort((a, b) => (a.ratio.p ?? 2) - (b.ratio.p ?? 2));
  const ends = rows.flatMap(({ ratio }) => [ratio.lower, ratio.upper]).filter(isKnown);
  const domain = ratioDomain(ends);
  const place = logarithmic(domain, [1, 99]);
  const shown = all ? rows : rows.slice(0, FIRST_ROWS);
  const heads = ["Gene", "Better ← → worse", "HR (95 % interval)", "q", "Evidence"];
  return scrolled("Hazard ratios", html("table", { class: "plotted" },
    html("caption", { class: "visually-hidden" }, "Univariate hazard ratios, the clearest first"),
    html("thead", {}, html("tr", {}, heads.map((head, index) => html("th", { scope: "col", class: index === 3 ? "q" : null }, head)))),
    html("tbody", {}, shown.flatMap(({ row, ratio }) => geneRows(row, ratio, place, scan))),
    html("tfoot", { "aria-hidden": "true" }, html("tr", {}, html("td"), html("td", { class: "plot" }, axisRow(place, ratioTicks(domain))),
      html("td"), html("td", { class: "q" }), html("td")))));
}

function geneRows(row, ratio, place, scan) {
  const id = `evidence-${row.gene}`;
  const told = html("tr", { id, hidden: true, class: "told" }, html("td", { colspan: 5 }));
  const button = html("button", {
    type: "button", class: "quiet small", "aria-expanded": "false", "aria-controls": id, "aria-label": `Evidence on ${row.gene}`,
    click: () => toggle(button, told, row, scan),
    keydown: (event) => { if (event.key === "Escape" && !told.hidden) toggle(button, told, row, scan); },
  }, "show");
  const missing = scan.missing.includes(row.gene) ? html("span", { class: "tag" }, "missing") : null;
  const shown = html("tr", {},
    html("th", { scope: "row" }, row.gene, missing),
    html("td", { class: "plot" }, intervalMark(place, ratio, { reference: 1, tone: toneOf(ratio) })),
    html("td", { class: "number" }, withInterval(ratio)), html("td", { class: "number q" }, probabilityWords(ratio.q)),
    html("td", {}, button));
  return [shown, told];
}

function toggle(button, told, row, scan) {
  told.hidden = !told.hidden;
  button.setAttribute("aria-expanded", String(!told.hidden));
  button.textContent = told.hidden ? "show" : "hide";
  if (!told.hidden) told.firstElementChild?.replaceChildren(evidencePanel(row, scan.citations));
}
