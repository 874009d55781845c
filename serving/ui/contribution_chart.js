/** What drove the linear predictor: a bar for each covariate, what bends a clinical one counted with it. */

import { html } from "./elements.js";
import { plottedTable } from "./plotted_table.js";
import { axisRow, bar } from "./row_plots.js";
import { linear } from "./scales.js";
import { covariateWords, signed } from "./words.js";

const MOST_ROWS = 15;

/**
 * Sum what belongs together, the largest first.
 * @param {Record<string, number>} contributions by covariate
 * @param {Record<string, {kind: string, genes: string[], column: string | null}>} covariates
 * @returns {{name: string, value: number}[]}
 */
export function summed(contributions, covariates) {
  const totals = new Map();
  for (const [name, value] of Object.entries(contributions)) {
    const covariate = covariates[name];
    const group = covariate?.column ?? covariateWords(name);
    totals.set(group, (totals.get(group) ?? 0) + value);
  }
  return [...totals].map(([name, value]) => ({ name, value })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
}

/**
 * @param {{model: any, result: any}} answer
 * @returns {HTMLElement}
 */
export function contributionChart({ model, result }) {
  const all = summed(result.contributions, model.variants[result.variant].covariates);
  const shown = all.slice(0, MOST_ROWS);
  const others = all.slice(MOST_ROWS);
  const rest = others.reduce((total, each) => total + each.value, 0);
  const end = Math.max(...shown.map((each) => Math.abs(each.value)), Math.abs(rest), 0.1);
  const place = linear([-end, end], [3, 97]);
  const missing = new Set(result.missing_genes ?? []);
  const rows = shown.map((each) => contributionRow(each, place, missing.has(each.name) ? "estimated" : null));
  if (others.length) rows.push(contributionRow({ name: `${others.length} others together`, value: rest }, place, null));
  return html(
    "figure",
    { class: "chart contributions" },
    html("figcaption", {}, "What drove it"),
    html(
      "p",
      { class: "hint" },
      "Contributions to the linear predictor (log relative hazard): to the right, worse; to the left, better.",
    ),
    plottedTable({
      caption: "Contributions to the linear predictor",
      heads: ["Covariate", "Better ← → worse", "Contribution"],
      rows,
      axis: axisRow(place, ticksTo(end)),
      sums: [
        ["Constant", signed(result.contributions_constant)],
        ["Linear predictor", signed(result.linear_predictor)],
      ],
    }),
  );
}

function contributionRow({ name, value }, place, tag) {
  return { name, tag, plot: bar(place, value, value > 0 ? "worse" : "better"), cells: [signed(value)] };
}

function ticksTo(end) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2].find((each) => end / each <= 2.5) ?? 5;
  const most = Math.floor(end / step);
  return Array.from({ length: 2 * most + 1 }, (_, index) => Number(((index - most) * step).toFixed(2)));
}
