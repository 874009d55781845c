/** Kaplan–Meier curves of a cohort by one gene: above its median against the others. */

import { chart, survivalAxes } from "./chart.js";
import { bandPath, linePath } from "./curves.js";
import { announce, choice, html, svg, table } from "./elements.js";
import { ratioOf } from "./forest.js";
import { linear, monthTicks } from "./scales.js";
import { queryOf, referenceWords } from "./references.js";
import { ask } from "./service.js";
import { aliveWords, isKnown, monthsWords, percent, probabilityWords, range, withInterval } from "./words.js";

const LEFT = 56;
const TOP = 30;
const GROUPS = /** @type {const} */ (["high", "low"]);

/**
 * @param {any} model
 * @param {any} scan of `/hazard-ratios`
 * @param {string[]} genes that have curves
 * @param {{first: string | null, remember: (gene: string) => void}} options
 * @returns {HTMLElement}
 */
export function geneSurvival(model, scan, genes, { first, remember }) {
  const title = html("h3", { id: "gene-survival-title", tabindex: -1 }, "Survival by one gene");
  if (!genes.length) {
    return html(
      "div",
      { class: "stack" },
      title,
      html("p", { class: "hint" }, "This model's bundle holds no curves by gene; train it anew to have them."),
    );
  }
  const box = html("div");
  const show = async (gene) => {
    remember(gene);
    try {
      const curves = await ask(`kaplan-meier/${encodeURIComponent(model.cancer_type)}`, {
        ...queryOf(model),
        gene,
      });
      box.replaceChildren(
        curvesChart(
          model,
          curves,
          scan.hazard_ratios.find((row) => row.gene === gene),
        ),
      );
      announce(`Survival by ${gene} is shown.`);
    } catch (error) {
      box.replaceChildren(
        html("p", { class: "error", role: "alert" }, error instanceof Error ? error.message : String(error)),
      );
    }
  };
  const ordered = [...genes].sort();
  const gene = choice(
    "survival-gene",
    "Gene",
    ordered.map((name) => [name, name]),
    show,
  );
  const start = first && genes.includes(first) ? first : clearest(scan, genes);
  gene.select.value = start;
  show(start);
  return html("div", { class: "stack" }, title, gene.field, box);
}

function clearest(scan, genes) {
  const known = scan.hazard_ratios.filter((row) => genes.includes(row.gene));
  return known.reduce((best, row) => ((row.p_median_split ?? 2) < (best.p_median_split ?? 2) ? row : best)).gene;
}

function curvesChart(model, { gene, curves }, row) {
  const ratio = row ? ratioOf(row, "median_split") : null;
  const words = ratio
    ? `Hazard ratio, high against low: ${withInterval(ratio)}, p ${probabilityWords(ratio.p)}, q ${probabilityWords(ratio.q)}.`
    : "";
  const byGroup = Object.fromEntries(curves.map((curve) => [curve.group, curve]));
  const figure = chart({
    title: `${gene} in ${model.cancer_type}${referenceWords(model)}: high (above the median) against low`,
    description: words,
    legend: [
      ["high line", `High, ${byGroup.high.at_risk[0]} patients`],
      ["low line", `Low, ${byGroup.low.at_risk[0]} patients`],
    ],
    draw: (width) => drawn(width, model, byGroup),
    alternative: alternative(gene, byGroup),
  });
  figure.append(
    html(
      "p",
      { class: "hint" },
      `${words} The median split is one of many; the figure per standard deviation uses all of the expression.`,
    ),
  );
  return figure;
}

const points = (curve) =>
  curve.months.map((months, index) => ({
    months,
    survival: curve.survival[index],
    lower: curve.lower[index],
    upper: curve.upper[index],
  }));

function drawn(width, model, byGroup) {
  const height = Math.round(Math.min(Math.max(0.5 * width, 270), 380));
  const bottom = height - 104;
  const last = model.horizon_months_max;
  const x = linear([0, last], [LEFT, width - 14]);
  const y = linear([0, 1], [bottom, TOP]);
  const ticks = monthTicks(last, width < 480 ? 6 : 11);
  const marks = survivalAxes({
    x,
    y,
    ticks,
    vertical: aliveWords(model.endpoint),
    left: LEFT,
    right: width - 14,
    bottom,
    top: TOP,
  });
  for (const group of GROUPS)
    marks.push(svg("path", { class: `${group} band`, d: bandPath(points(byGroup[group]), x, y, true) }));
  for (const group of GROUPS) {
    const places = points(byGroup[group]).map((point) => [x(point.months), y(point.survival)]);
    marks.push(svg("path", { class: `${group} line`, d: linePath(places, true) }));
  }
  marks.push(svg("text", { class: "axis-title", x: 0, y: height - 46 }, "At risk"));
  GROUPS.forEach((group, index) =>
    marks.push(...atRisk(byGroup[group], group, { ticks, x, y: height - 27 + 20 * index })),
  );
  return { height, marks };
}

function atRisk(curve, group, { ticks, x, y }) {
  const numbers = ticks.map((month) => {
    // A curve ends where nobody is followed any more.
    const index = curve.months.findIndex((each) => Math.abs(each - month) < 0.05);
    const known = index >= 0 ? curve.at_risk[index] : null;
    return svg("text", { class: "tick", x: x(month), y, "text-anchor": "middle" }, isKnown(known) ? known : "");
  });
  return [svg("text", { class: `tick ${group}-name`, x: 0, y }, group), ...numbers];
}

function alternative(gene, byGroup) {
  const rows = GROUPS.flatMap((group) =>
    points(byGroup[group]).map((point, index) => [
      group,
      monthsWords(point.months),
      percent(point.survival),
      range(point.lower, point.upper, percent),
      byGroup[group].at_risk[index],
    ]),
  );
  return table(`Survival by ${gene}`, ["Group", "Months", "Survival", "95 % interval", "At risk"], rows);
}
