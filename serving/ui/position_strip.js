/** Where the patient stands among the cohort: a percentile on a strip of the three risk groups. */

import { html, svg } from "./elements.js";

const GROUPS = ["low", "intermediate", "high"];

/**
 * @param {{model: any, result: any}} answer
 * @returns {HTMLElement}
 */
export function positionStrip({ model, result }) {
  const at = result.risk_percentile;
  const words = `Higher risk than ${at.toFixed(0)} % of the cohort's ${model.n_patients} patients: ${result.risk_group} third.`;
  const bands = GROUPS.map((group, index) =>
    svg("rect", {
      class: `third ${group}${group === result.risk_group ? " own" : ""}`,
      x: `${(100 * index) / 3}%`,
      width: "33.34%",
      y: 14,
      height: 16,
    }),
  );
  const names = GROUPS.map((group, index) =>
    svg("text", { class: "tick", x: `${(100 * (index + 0.5)) / 3}%`, y: 47, "text-anchor": "middle" }, group),
  );
  const place = `${Math.min(Math.max(at, 1), 99)}%`;
  const marker = [
    svg("line", { class: "marker", x1: place, x2: place, y1: 8, y2: 34 }),
    svg("circle", { class: "marker-head", cx: place, cy: 8, r: 5.5 }),
  ];
  const drawing = svg(
    "svg",
    { class: "strip", role: "img", "aria-label": `Percentile strip. ${words}` },
    bands,
    names,
    marker,
  );
  return html(
    "figure",
    { class: "chart position" },
    html("figcaption", {}, "Where the patient stands"),
    html("p", { class: "lead", id: "position-words" }, words),
    drawing,
    html(
      "p",
      { class: "hint" },
      "Percentile of the linear predictor, from 0 (lowest risk) to 100 (highest), against out-of-fold predictions.",
    ),
  );
}
