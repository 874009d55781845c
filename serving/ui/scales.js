/** From values to places on a chart, and the ticks between. */

const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 36, 60, 120];
/** Hazard ratios that a reader knows. */
const RATIOS = [0.125, 0.25, 0.5, 0.67, 1, 1.5, 2, 4, 8];

/**
 * @param {[number, number]} domain
 * @param {[number, number]} span where the ends of the domain lie
 * @returns {(value: number) => number}
 */
export function linear([low, high], [start, end]) {
  return (value) => start + ((value - low) / (high - low)) * (end - start);
}

/**
 * A logarithmic scale that keeps to its ends what lies beyond them.
 * @param {[number, number]} domain
 * @param {[number, number]} span
 * @returns {(value: number) => number}
 */
export function logarithmic([low, high], span) {
  const place = linear([Math.log(low), Math.log(high)], span);
  return (value) => place(Math.log(Math.min(Math.max(value, low), high)));
}

/**
 * Months that are read easily, from 0.
 * @param {number} last
 * @param {number} most how many at most
 * @returns {number[]}
 */
export function monthTicks(last, most) {
  const step = MONTH_STEPS.find((each) => last / each <= most) ?? MONTH_STEPS[MONTH_STEPS.length - 1];
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, index) => index * step);
}

/**
 * A range of hazard ratios, as far below 1 as above, that holds most of the values.
 * @param {number[]} ratios
 * @returns {[number, number]}
 */
export function ratioDomain(ratios) {
  const sizes = ratios.map((ratio) => Math.exp(Math.abs(Math.log(ratio)))).sort((a, b) => a - b);
  const most = sizes[Math.floor(0.95 * (sizes.length - 1))] ?? 2;
  const end = [1.5, 2, 3, 4, 6, 8].find((each) => most <= each) ?? 10;
  return [1 / end, end];
}

/**
 * @param {[number, number]} domain
 * @returns {number[]}
 */
export function ratioTicks([low, high]) {
  return RATIOS.filter((ratio) => ratio >= low * 0.999 && ratio <= high * 1.001);
}
