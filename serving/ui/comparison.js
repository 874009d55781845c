/** The learners and baselines of a training beside each other: concordance out of fold with its interval. */

import { choice, html } from "./elements.js";
import { plottedTable } from "./plotted_table.js";
import { axisRow, intervalMark } from "./row_plots.js";
import { linear } from "./scales.js";
import { isKnown, learnerWords, withInterval } from "./words.js";

/**
 * What may be compared: name, words, and where no effect lies.
 * @type {[string, string, number][]}
 */
const METRICS = [
  ["concordance_harrell", "Concordance, Harrell's (higher is better, ½ is chance)", 0.5],
  ["concordance_uno", "Concordance, Uno's (higher is better, ½ is chance)", 0.5],
  ["calibration_slope", "Calibration slope (1 is right)", 1],
  ["integrated_brier_score", "Integrated Brier score (lower is better)", 0],
];

/**
 * @param {any} model
 * @param {any} compared of `/comparison`
 * @returns {HTMLElement}
 */
export function comparisonView(model, compared) {
  const box = html("div");
  const drawn = (metric) => comparisonTable(compared, metric, model);
  const known = METRICS.filter(([name]) => compared.runs.some((run) => isKnown(run.metrics[name]?.value)));
  const draw = (name) => box.replaceChildren(...known.filter(([each]) => each === name).map(drawn));
  const metric = choice(
    "comparison-metric",
    "Figure",
    known.map(([name, words]) => [name, words]),
    draw,
  );
  if (known.length) draw(known[0][0]);
  const parts = known.length
    ? [metric.field, box]
    : [
        html(
          "p",
          { class: "hint" },
          "This model's bundle holds no figures of the other learners; train it anew to have them.",
        ),
      ];
  return html(
    "figure",
    { class: "chart comparison" },
    html("figcaption", {}, "Models compared, on the same folds"),
    html(
      "p",
      { class: "hint" },
      "Out of fold: no patient was judged by a model that had seen them. 95 % intervals, by bootstrap.",
    ),
    parts,
    mlflow(compared),
  );
}

function comparisonTable(compared, [name, words, reference], model) {
  const runs = compared.runs
    .map((run) => ({ name: run.name, figure: run.metrics[name] }))
    .filter(({ figure }) => isKnown(figure?.value));
  const ends = runs.flatMap(({ figure }) => [figure.value, figure.lower, figure.upper]).filter(isKnown);
  const [low, high] = [Math.min(reference, ...ends), Math.max(reference, ...ends)];
  const place = linear([low, high], [4, 96]);
  const own = model.variants.clinical ? model.learner : `${model.learner}_genes_only`;
  const rows = runs.map((run) => ({
    name: learnerWords(run.name),
    tag: run.name === own ? "this model" : null,
    plot: intervalMark(place, run.figure, { reference, tone: run.name === own ? "chosen" : "unclear" }),
    cells: [withInterval(run.figure, 3)],
    tone: run.name === own ? "own" : "",
  }));
  return plottedTable({
    caption: words,
    heads: ["Learner", "", "Value (95 % interval)"],
    rows,
    axis: axisRow(place, ticks(low, high)),
  });
}

function ticks(low, high) {
  const step = [0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1].find((each) => (high - low) / each <= 5) ?? 2;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toFixed(2)));
}

function mlflow({ mlflow: address, model, version }) {
  if (!address)
    return html(
      "p",
      { class: "hint" },
      `In MLflow: registered model ${model}, version ${version}; its page there leads to the run.`,
    );
  return html(
    "p",
    {},
    html("a", { href: address, rel: "noreferrer" }, `${model} version ${version} and its run in MLflow`),
  );
}
