/** One patient's answer: warnings, figures, charts, and the model behind it. */

import { contributionChart } from "./contribution_chart.js";
import { html, table } from "./elements.js";
import { forest } from "./forest.js";
import { banners, modelCard, warningList } from "./model_card.js";
import { positionStrip } from "./position_strip.js";
import { viewWords } from "./references.js";
import { survivalChart } from "./survival_chart.js";
import { fixed, monthsWords, percent, range } from "./words.js";

/**
 * @param {any} response of `/score`, with one result
 * @param {{label: string, at: Date, isExample: boolean}} shown what the answer does not say
 * @returns {HTMLElement[]}
 */
export function answerView(response, shown) {
  const {
    model,
    results: [result],
  } = response;
  const answer = { model, result };
  const scan = {
    model,
    hazard_ratios: response.hazard_ratios,
    citations: response.citations,
    missing: result.missing_genes ?? [],
  };
  const present = (parts) => parts.filter((part) => part !== null);
  return [
    html(
      "section",
      { class: "card lead-card" },
      present([
        heading(model, shown),
        ...banners(model, { result, isExample: shown.isExample }),
        warningList(result),
        keyFigures(answer),
        positionStrip(answer),
      ]),
    ),
    html("section", { class: "card survival-card" }, survivalChart(answer), coverage(answer), horizonTable(answer)),
    result.contributions ? html("section", { class: "card contribution-card" }, contributionChart(answer)) : null,
    html("section", { class: "card profile-facts" }, profileFacts(result)),
    html("section", { class: "card forest-card" }, forest(scan)),
    html("section", { class: "card card-of-model" }, modelCard(model)),
  ].filter((part) => part !== null);
}

/** What an answer is called. @param {{label: string, isExample: boolean}} shown */
export const titleOf = ({ label, isExample }) => label || (isExample ? "SYNTHETIC example" : "The patient");

/** What is said aloud once a patient is scored. @param {any} response */
export function spokenSummary({ model, results: [result] }) {
  const warned = result.warnings?.length ? `${result.warnings.length} warnings.` : "No warnings.";
  return (
    `Scored with ${model.name}. Median survival: ${result.median_survival.words}. ` +
    `Higher risk than ${result.risk_percentile.toFixed(0)} % of the cohort. ${warned}`
  );
}

function heading(model, { label, at, isExample }) {
  const print = html("button", { type: "button", class: "quiet print", click: () => window.print() }, "Print");
  const scored = `scored ${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
  return html(
    "header",
    { class: "answer-head" },
    html(
      "div",
      {},
      html("h2", { tabindex: -1, id: "answer-title" }, titleOf({ label, isExample })),
      html(
        "p",
        { class: "hint" },
        `${viewWords(model)}; ${scored} with ${model.name} version ${model.version}`,
      ),
    ),
    print,
  );
}

function keyFigures({ model, result }) {
  const own = result.survival.filter((point) => model.horizons_months.includes(point.horizon_months)).at(-1);
  const figures = [
    ["Median survival", ...medianWords(result.median_survival.words)],
    own && [
      `Survival at ${monthsWords(own.horizon_months)} months`,
      percent(own.probability),
      `95 % interval ${range(own.lower, own.upper, percent)}`,
    ],
    ["Risk group", `${result.risk_group} third`, `percentile ${result.risk_percentile.toFixed(0)} of the cohort`],
  ].filter(Boolean);
  return html(
    "dl",
    { class: "key-figures" },
    figures.map(([name, value, more]) =>
      html(
        "div",
        {},
        html("dt", {}, name),
        html("dd", {}, html("span", { class: "value" }, value), more && html("span", { class: "more" }, more)),
      ),
    ),
  );
}

/** How often such intervals were measured to hold the truth, where the service says so. */
function coverage({ model, result }) {
  const words = model.variants[result.variant]?.interval_coverage?.words;
  return words ? html("p", { class: "hint coverage" }, words) : null;
}

/** The figure, and what stands behind it in brackets. @returns {[string, string | null]} */
function medianWords(words) {
  const [, value, ends] = words.match(/^(.*?) \((.*)\)$/) ?? [null, words, null];
  return [value, ends && (/^[\d.]/.test(ends) ? `95 % interval ${ends}` : ends)];
}

function horizonTable({ model, result }) {
  const points = result.survival.filter((point) => model.horizons_months.includes(point.horizon_months));
  if (!points.length) return html("p", { class: "horizons" }, allSurvived(model, result));
  const rows = points.map((point) => [
    `${monthsWords(point.horizon_months)} months`,
    `${percent(point.probability)} (${range(point.lower, point.upper, percent)})`,
    `${percent(point.cohort_probability)} (${range(point.cohort_lower, point.cohort_upper, percent)})`,
  ]);
  return html(
    "div",
    { class: "horizons" },
    table("At the model's horizons, with 95 % intervals", ["From diagnosis", "Patient", "Cohort"], rows),
  );
}

function allSurvived({ horizons_months: horizons }, { survived_months: survived }) {
  const listed = horizons.map(monthsWords).join(", ");
  return `All of the model's horizons (${listed} months) lie before the ${monthsWords(survived)} months survived already.`;
}

function profileFacts(result) {
  const resolved = Object.entries(result.resolved_genes ?? {}).map(([sent, symbol]) => `${sent} → ${symbol}`);
  const distance = result.distance;
  const facts = [
    ["Answered by", result.variant === "clinical" ? "clinical values and genes" : "genes only"],
    ["Linear predictor", `${fixed(result.linear_predictor, 3)} (log relative hazard; higher is worse)`],
    ["Genes estimated, because missing", listed(result.missing_genes)],
    ["Names resolved", listed(resolved)],
    ["Genes not read by the model", String(result.ignored_genes ?? 0)],
    distance && [
      "Distance from the cohort",
      `farther than ${distance.joint_percentile.toFixed(0)} % of its patients (warned above ${distance.warned_above.toFixed(0)} %)`,
    ],
    distance && ["Genes beyond all of the cohort's", listed(distance.genes_outside)],
  ].filter(Boolean);
  return html(
    "section",
    { "aria-label": "The profile" },
    html("h3", {}, "The profile"),
    html(
      "dl",
      {},
      facts.map(([name, text]) => html("div", {}, html("dt", {}, name), html("dd", {}, text))),
    ),
  );
}

function listed(names) {
  return names?.length ? `${names.length}: ${names.join(", ")}` : "none";
}
