/** Small drawings that stand in the rows of a table; places are shares of the row's width, so that any width does. */

import { svg } from "./elements.js";
import { isKnown } from "./words.js";

const MIDDLE = 11;
/** Hazard ratios between these are left out where there is little room. */
const BETWEEN = new Set([0.67, 1.5]);

/**
 * A point with its interval.
 * @param {(value: number) => number} place from 0 to 100
 * @param {import("./service.js").Figure} figure
 * @param {{reference: number, tone: string}} options where the line of no effect stands, and the mark's class
 * @returns {SVGElement}
 */
export function intervalMark(place, { value, lower, upper }, { reference, tone }) {
  const marks = [vertical(place(reference), "rule strong")];
  if (isKnown(lower) && isKnown(upper)) {
    marks.push(
      svg("line", {
        class: `interval ${tone}`,
        x1: share(place(lower)),
        x2: share(place(upper)),
        y1: MIDDLE,
        y2: MIDDLE,
      }),
    );
  }
  if (isKnown(value))
    marks.push(svg("circle", { class: `point ${tone}`, cx: share(place(value)), cy: MIDDLE, r: 4.5 }));
  return row(marks);
}

/**
 * A bar from zero to a value.
 * @param {(value: number) => number} place from 0 to 100
 * @param {number} value
 * @param {string} tone the bar's class
 * @returns {SVGElement}
 */
export function bar(place, value, tone) {
  const [left, right] = [place(Math.min(0, value)), place(Math.max(0, value))];
  const filled = svg("rect", {
    class: `bar ${tone}`,
    x: share(left),
    width: share(right - left),
    y: 4,
    height: 14,
    rx: 2,
  });
  return row([vertical(place(0), "rule strong"), filled]);
}

/**
 * The axis below such rows.
 * @param {(value: number) => number} place from 0 to 100
 * @param {number[]} ticks
 * @returns {SVGElement}
 */
export function axisRow(place, ticks) {
  return row(
    ticks.flatMap((tick) => [
      svg("line", { class: "axis", x1: share(place(tick)), x2: share(place(tick)), y1: 0, y2: 5 }),
      svg(
        "text",
        { class: BETWEEN.has(tick) ? "tick minor" : "tick", x: share(place(tick)), y: 18, "text-anchor": "middle" },
        String(tick).replace("-", "−"),
      ),
    ]),
  );
}

const share = (place) => `${place.toFixed(2)}%`;

function vertical(place, kind) {
  return svg("line", { class: kind, x1: share(place), x2: share(place), y1: 0, y2: "100%" });
}

function row(marks) {
  return svg("svg", { class: "row-plot", "aria-hidden": "true", focusable: "false" }, marks);
}
