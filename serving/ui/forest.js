/** The univariate hazard ratio of every panel gene as a forest, the evidence of each on demand. */

import { choice, html } from "./elements.js";
import { evidencePanel } from "./evidence.js";
import { plottedTable } from "./plotted_table.js";
import { axisRow, intervalMark } from "./row_plots.js";
import { logarithmic, ratioDomain, ratioTicks } from "./scales.js";
import { isKnown, probabilityWords, withInterval } from "./words.js";

const FIRST_ROWS = 12;
/** @type {[string, string][]} */
export const MEASURES = [
  ["per_sd", "per standard deviation"],
  ["median_split", "above the median against below"],
];

/**
 * Read one hazard ratio of a gene.
 * @param {any} row of `/hazard-ratios`
 * @param {string} measure
 */
export function ratioOf(row, measure) {
  const name = `hazard_ratio_${measure}`;
  return {
    value: row[name],
    lower: row[`${name}_lower`],
    upper: row[`${name}_upper`],
    p: row[`p_${measure}`],
    q: row[`q_${measure}`],
  };
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
  return html(
    "figure",
    { class: "chart forest" },
    html("figcaption", {}, `Each gene by itself, in ${scan.model.cancer_type}`),
    html(
      "p",
      { class: "hint" },
      "Univariate hazard ratios in the cohort, above 1: high expression is worse. Coloured where q < 0.05. " +
        "They are no part of the patient's figures.",
    ),
    measure.field,
    box,
    more,
  );
}

function forestTable(scan, { measure, all }) {
  const rows = scan.hazard_ratios.map((row) => ({ row, ratio: ratioOf(row, measure) }));
  rows.sort((a, b) => (a.ratio.p ?? 2) - (b.ratio.p ?? 2));
  const ends = rows.flatMap(({ ratio }) => [ratio.lower, ratio.upper]).filter(isKnown);
  const domain = ratioDomain(ends);
  const place = logarithmic(domain, [4, 96]);
  const shown = all ? rows : rows.slice(0, FIRST_ROWS);
  return plottedTable({
    caption: "Univariate hazard ratios, the clearest first",
    heads: ["Gene", "Better ← → worse", "HR (95 % interval)", "q", "Evidence"],
    rows: shown.map(({ row, ratio }) => geneRow(row, ratio, place, scan)),
    axis: axisRow(place, ratioTicks(domain)),
  });
}

function geneRow(row, ratio, place, scan) {
  const close = (event) => {
    if (event.key !== "Escape" || !below.childElementCount) return;
    toggle(button, below, row, scan);
    button.focus();
  };
  const below = html("div", { id: `evidence-${row.gene}`, keydown: close });
  const button = html(
    "button",
    {
      type: "button",
      class: "quiet small",
      "aria-expanded": "false",
      "aria-controls": below.id,
      "aria-label": `Evidence on ${row.gene}`,
      click: () => toggle(button, below, row, scan),
      keydown: close,
    },
    "show",
  );
  return {
    name: row.gene,
    tag: scan.missing.includes(row.gene) ? "missing" : null,
    plot: intervalMark(place, ratio, { reference: 1, tone: toneOf(ratio) }),
    cells: [withInterval(ratio), probabilityWords(ratio.q), button],
    below,
  };
}

function toggle(button, below, row, scan) {
  const opens = !below.childElementCount;
  below.closest("tr").hidden = !opens;
  below.replaceChildren(...(opens ? [evidencePanel(row, scan.citations)] : []));
  button.setAttribute("aria-expanded", String(opens));
  button.textContent = opens ? "hide" : "show";
}
