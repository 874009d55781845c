/** What stands behind an answer: warnings first, and the model's card. */

import { html } from "./elements.js";
import {
  dayWords,
  endpointWords,
  fixed,
  learnerWords,
  monthsWords,
  scaleWords,
  sentence,
  withInterval,
} from "./words.js";

/**
 * The banners that nobody may overlook.
 * @param {any} model
 * @param {{result?: any, isExample?: boolean}} [patient]
 * @returns {HTMLElement[]}
 */
export function banners(model, { result, isExample } = {}) {
  const texts = [];
  if (isExample) texts.push(["SYNTHETIC", "This is the example: a patient who never was."]);
  if (model.simulated)
    texts.push(["SIMULATED", "The model was trained on a simulated cohort: its figures mean nothing."]);
  if (result?.relative_only)
    texts.push(["RELATIVE ONLY", "The z-scores have a reference of their own: the figures predict nothing."]);
  if (model.exploratory)
    texts.push(["EXPLORATORY", "This model is a candidate: it has not earned the place of a champion."]);
  return texts.map(([word, text]) => html("p", { class: "banner" }, html("strong", {}, word), " ", text));
}

/**
 * The warnings of one patient, the gravest first, as the service orders them.
 * @param {any} result
 * @returns {HTMLElement | null}
 */
export function warningList(result) {
  if (!result.warnings?.length) return null;
  return html(
    "section",
    { class: "notice warnings", "aria-label": "Warnings" },
    html("h3", {}, result.warnings.length === 1 ? "A warning" : `${result.warnings.length} warnings`),
    html(
      "ul",
      {},
      result.warnings.map((warning) => html("li", {}, sentence(warning))),
    ),
  );
}

/**
 * @param {any} model as `/score` and `/models` return it
 * @returns {HTMLElement}
 */
export function modelCard(model) {
  const entries = [
    ["Model", `${model.name}, version ${model.version} (${model.alias})`],
    ["Endpoint", endpointWords(model.endpoint) + (model.estimand === "net" ? "; net: other deaths were censored" : "")],
    ["Cohort", `${model.cohort}: ${model.n_patients} patients, ${model.n_events} events` + followUp(model)],
    ...reference(model),
    ["Learner", `${learnerWords(model.learner)}; ${variantWords(model.variant)}`],
    ["Concordance", `${withInterval(model.concordance, 3)}, Harrell's, out of fold, 95 % interval`],
    ["Answers until", `${monthsWords(model.horizon_months_max)} months`],
    ["Expression", scaleWords(model.scale) + (model.zscore_reference ? `, reference ${model.zscore_reference}` : "")],
    ["Made", `${dayWords(model.created)}, code ${model.code_version}`],
    ["Digest", html("code", {}, model.bundle_digest)],
    ["Use", html("strong", {}, model.use)],
  ];
  return html(
    "section",
    { class: "model-card", "aria-label": "The model" },
    html("h3", {}, "The model"),
    html(
      "dl",
      {},
      entries.map(([name, text]) => html("div", {}, html("dt", {}, name), html("dd", {}, text))),
    ),
    html("h4", {}, "What it had to show"),
    gate(model.gate),
  );
}

const variantWords = (variant) => (variant === "clinical" ? "with clinical values" : "genes only");

function reference(model) {
  if (model.reference === null) return [];
  const others = model.references.map((each) => each.name).filter((name) => name !== model.reference);
  const which = model.reference_is_default ? "the default" : "not the default";
  return [["Reference", `${model.reference} (${which}); the model was trained on ${others.join(", ")}, too`]];
}

function followUp(model) {
  const months = model.median_follow_up_months;
  return months === null ? "" : `, median follow-up ${fixed(months, 0)} months`;
}

function gate(clauses) {
  return html(
    "ul",
    { class: "gate" },
    clauses.map(({ clause, verdict, figure }) =>
      html(
        "li",
        { class: verdict === "passed" ? "passed" : "not-passed" },
        html("strong", {}, `${sentence(clause.replaceAll("_", " "))}: ${verdict}`),
        ` ${figure}`,
      ),
    ),
  );
}
