/** Lines and bands of survival curves as SVG paths. */

import { isKnown } from "./words.js";

/** @typedef {{months: number, survival: number, lower: number | null, upper: number | null}} CurvePoint */

/**
 * The path through points: straight between them, or level until the next.
 * @param {[number, number][]} points places
 * @param {boolean} stepped
 * @returns {string}
 */
export function linePath(points, stepped) {
  return points
    .map(([x, y], index) => {
      if (index === 0) return `M${place(x)} ${place(y)}`;
      return stepped ? `H${place(x)}V${place(y)}` : `L${place(x)} ${place(y)}`;
    })
    .join("");
}

/**
 * The outline of a band.
 * @param {CurvePoint[]} curve
 * @param {(months: number) => number} x
 * @param {(share: number) => number} y
 * @param {boolean} stepped
 * @returns {string} empty where no point has an interval
 */
export function bandPath(curve, x, y, stepped) {
  const known = curve.filter((point) => isKnown(point.lower) && isKnown(point.upper));
  if (known.length < 2) return "";
  const upper = linePath(
    known.map((point) => [x(point.months), y(Number(point.upper))]),
    stepped,
  );
  const lower = known.map((point) => [x(point.months), y(Number(point.lower))]);
  return `${upper}${backwards(lower, stepped)}Z`;
}

function backwards(points, stepped) {
  const [last, ...before] = points.toReversed();
  const start = `L${place(last[0])} ${place(last[1])}`;
  // Read from the right a step falls before it runs level.
  return start + before.map(([x, y]) => (stepped ? `V${place(y)}H${place(x)}` : `L${place(x)} ${place(y)}`)).join("");
}

const place = (number) => number.toFixed(1);
