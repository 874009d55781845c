/** A chart in its figure: title, legend, drawing at the width that there is, and the same as a table. */

import { html, svg } from "./elements.js";

let figures = 0;

/**
 * @param {object} parts
 * @param {string} parts.title
 * @param {string} parts.description what the chart shows, for those who do not see it
 * @param {[string, string][]} parts.legend class of the mark and text of each entry
 * @param {(width: number) => {height: number, marks: SVGElement[]}} parts.draw
 * @param {HTMLElement} parts.alternative the chart's numbers as a table
 * @returns {HTMLElement}
 */
export function chart({ title, description, legend, draw, alternative }) {
  const name = `chart-${(figures += 1)}`;
  const box = html("div", { class: "drawing" });
  const redraw = (width) => {
    const { height, marks } = draw(width);
    const heading = [svg("title", { id: `${name}-title` }, title), svg("desc", { id: `${name}-desc` }, description)];
    const labelled = { role: "img", "aria-labelledby": `${name}-title ${name}-desc` };
    box.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, ...labelled }, heading, marks));
  };
  whenWidthChanges(box, redraw);
  const entries = legend.map(([mark, text]) => html("li", {}, swatch(mark), text));
  return html(
    "figure",
    { class: "chart" },
    html("figcaption", {}, title),
    html("ul", { class: "legend" }, entries),
    box,
    html("details", { class: "alternative" }, html("summary", {}, "The numbers as a table"), alternative),
  );
}

/**
 * The vertical axis of a survival curve and the horizontal one of months.
 * @param {object} frame
 * @param {(share: number) => number} frame.y
 * @param {(months: number) => number} frame.x
 * @param {number[]} frame.ticks months
 * @param {string} frame.vertical what stands above the vertical axis
 * @param {number} frame.left where the drawing begins and ends
 * @param {number} frame.right
 * @param {number} frame.bottom
 * @param {number} frame.top
 * @returns {SVGElement[]}
 */
export function survivalAxes({ x, y, ticks, vertical, left, right, bottom, top }) {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  return [
    ...shares.map((share) => svg("line", { class: "rule", x1: left, x2: right, y1: y(share), y2: y(share) })),
    ...shares.map((share) =>
      svg("text", { class: "tick", x: left - 8, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}%`),
    ),
    ...ticks.map((month) => svg("line", { class: "axis", x1: x(month), x2: x(month), y1: bottom, y2: bottom + 5 })),
    ...ticks.map((month) =>
      svg("text", { class: "tick", x: x(month), y: bottom + 19, "text-anchor": "middle" }, month),
    ),
    svg("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    svg("text", { class: "axis-title", x: 0, y: top - 12 }, vertical),
    svg("text", { class: "axis-title", x: right, y: bottom + 37, "text-anchor": "end" }, "Months from diagnosis"),
  ];
}

function swatch(mark) {
  const line = svg("line", { class: mark, x1: 0, x2: 26, y1: 7, y2: 7 });
  return svg("svg", { class: "swatch", width: 26, height: 14, "aria-hidden": "true" }, line);
}

function whenWidthChanges(box, redraw) {
  let drawn = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 0 && width !== drawn) redraw((drawn = width));
  });
  observer.observe(box);
}
