/** What drove the linear predictor: a bar for each covariate, what bends a clinical one counted with it. */

import { html, scrolled } from "./elements.js";
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
  const place = linear([-end, end], [1, 99]);
  const missing = new Set(result.missing_genes ?? []);
  const rows = shown.map((each) => contributionRow(each.name, each.value, place, missing.has(each.name) ? "estimated" : null));
  if (others.length) rows.push(contributionRow(`${others.length} others together`, rest, place, null));
  return html("figure", { class: "chart contributions" },
    html("figcaption", {}, "What drove it"),
    html("p", { class: "hint" }, "Contributions to the linear predictor (log relative hazard): to the right, worse; to the left, better."),
    scrolled("Contributions", html("table", { class: "plotted" },
      html("caption", { class: "visually-hidden" }, "Contributions to the linear predictor"),
      head(), html("tbody", {}, rows), foot(result, place, ticksTo(end)))));
}

function head() {
  const names = ["Covariate", "Better ← → worse", "Contribution"];
  return html("thead", {}, html("tr", {}, names.map((name) => html("th", { scope: "col" }, name))));
}

function contributionRow(name, value, place, remark) {
  const label = html("th", { scope: "row" }, name, remark && html("span", { class: "tag" }, remark));
  return html("tr", {}, label, html("td", { class: "plot" }, bar(place, value, value > 0 ? "worse" : "better")),
    html("td", { class: "number" }, signed(value)));
}

function foot(result, place, ticks) {
  const sum = (name, value) => html("tr", { class: "sum" },
    html("th", { scope: "row", colspan: 2 }, name), html("td", { class: "number" }, signed(value)));
  return html("tfoot", {},
    html("tr", { "aria-hidden": "true" }, html("td"), html("td", { class: "plot" }, axisRow(place, ticks)), html("td")),
    sum("Constant", result.contributions_constant), sum("Linear predictor", result.linear_predictor));
}

function ticksTo(end) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2].find((each) => end / each <= 2.5) ?? 5;
  const most = Math.floor(end / step);
  return Array.from({ length: 2 * most + 1 }, (_, index) => Number(((index - most) * step).toFixed(2)));
}
