/** The patient's survival with its band against the cohort's Kaplan–Meier curve with its band and numbers at risk. */

import { chart, survivalAxes } from "./chart.js";
import { bandPath, linePath } from "./curves.js";
import { svg, table } from "./elements.js";
import { linear, monthTicks } from "./scales.js";
import { aliveWords, endpointWords, isKnown, monthsWords, percent, range } from "./words.js";

/** @typedef {import("./service.js").SurvivalPoint} SurvivalPoint */

const MOST_HORIZONS = 100;
const LEFT = 50;
const TOP = 30;

/**
 * Where survival is asked for: the model's own horizons, the ticks of the chart, and what fills the line between.
 * @param {{horizons_months: number[], horizon_months_max: number}} model
 * @param {number} survived months; 0 for everyone
 * @returns {number[]} increasing, 100 at most
 */
export function askedHorizons(model, survived) {
  const last = model.horizon_months_max;
  const needed = [...model.horizons_months, ...monthTicks(last, 6), ...monthTicks(last, 11), last];
  const wanted = new Set(needed.filter((months) => months > survived && months <= last));
  const room = MOST_HORIZONS - wanted.size;
  for (let index = 1; index < room; index += 1) {
    wanted.add(Math.round(10 * (survived + ((last - survived) * index) / room)) / 10);
  }
  return [...wanted].filter((months) => months > survived && months <= last).sort((a, b) => a - b);
}

/**
 * @param {{model: any, result: any}} answer
 * @returns {HTMLElement}
 */
export function survivalChart({ model, result }) {
  const points = /** @type {SurvivalPoint[]} */ (result.survival);
  const survived = result.survived_months ?? 0;
  const given = survived ? `, given alive at ${monthsWords(survived)} months` : "";
  const patient = curve(points, survived, ["probability", "lower", "upper"]);
  const cohort = curve(points, survived, ["cohort_probability", "cohort_lower", "cohort_upper"]);
  return chart({
    title: `Survival beside the cohort's${given}`,
    description: described(model, points),
    legend: [
      ["patient line", "This patient, 95 % interval"],
      ["cohort line", "Cohort, Kaplan–Meier, 95 % interval"],
    ],
    draw: (width) => drawn(width, { model, result, patient, cohort, points }),
    alternative: alternative(points),
  });
}

function curve(points, survived, [value, lower, upper]) {
  const known = points.filter((point) => isKnown(point[value]));
  const read = known.map((point) => ({
    months: point.horizon_months,
    survival: point[value],
    lower: point[lower],
    upper: point[upper],
  }));
  return [{ months: survived, survival: 1, lower: 1, upper: 1 }, ...read];
}

function drawn(width, { model, result, patient, cohort, points }) {
  const height = Math.round(Math.min(Math.max(0.52 * width, 250), 380));
  const bottom = height - 84;
  const last = model.horizon_months_max;
  const x = linear([0, last], [LEFT, width - 14]);
  const y = linear([0, 1], [bottom, TOP]);
  const ticks = monthTicks(last, width < 480 ? 6 : 11);
  const frame = { x, y, ticks, vertical: aliveWords(model.endpoint), left: LEFT, right: width - 14, bottom, top: TOP };
  const marks = [
    ...survivalAxes(frame),
    svg("path", { class: "cohort band", d: bandPath(cohort, x, y, true) }),
    svg("path", { class: "patient band", d: bandPath(patient, x, y, false) }),
    svg("path", { class: "cohort line", d: linePath(places(cohort, x, y), true) }),
    svg("path", { class: "patient line", d: linePath(places(patient, x, y), false) }),
    ...medianMark(result.median_survival, x, y),
    ...atRisk(ticks, points, model, { x, height, survived: result.survived_months ?? 0 }),
  ];
  return { height, marks };
}

const places = (read, x, y) => read.map((point) => [x(point.months), y(point.survival)]);

function medianMark(median, x, y) {
  if (!isKnown(median?.months)) return [];
  const at = x(median.months);
  return [
    svg("path", { class: "median", d: `M${LEFT} ${y(0.5)}H${at}V${y(0)}` }),
    svg("circle", { class: "median-point", cx: at, cy: y(0.5), r: 4 }),
  ];
}

function atRisk(ticks, points, model, { x, height, survived }) {
  const counts = new Map(points.map((point) => [point.horizon_months, point.cohort_at_risk]));
  if (!survived) counts.set(0, model.n_patients);
  const known = ticks.filter((month) => isKnown(counts.get(month)));
  const numbers = known.map((month) =>
    svg("text", { class: "tick", x: x(month), y: height - 8, "text-anchor": "middle" }, counts.get(month)),
  );
  return [svg("text", { class: "axis-title", x: 0, y: height - 27 }, "Cohort at risk"), ...numbers];
}

function described(model, points) {
  const own = points.filter((point) => model.horizons_months.includes(point.horizon_months));
  const said = own.map(
    (point) =>
      `at ${monthsWords(point.horizon_months)} months ${percent(point.probability)}` +
      ` against the cohort's ${percent(point.cohort_probability)}`,
  );
  return `Predicted ${endpointWords(model.endpoint)}${said.length ? `: ${said.join("; ")}` : ""}.`;
}

function alternative(points) {
  const rows = points.map((point) => [
    monthsWords(point.horizon_months),
    percent(point.probability),
    range(point.lower, point.upper, percent),
    percent(point.cohort_probability),
    range(point.cohort_lower, point.cohort_upper, percent),
    point.cohort_at_risk ?? "–",
  ]);
  const heads = ["Months", "Patient", "95 % interval", "Cohort", "95 % interval", "At risk"];
  return table("Survival at each horizon", heads, rows);
}
