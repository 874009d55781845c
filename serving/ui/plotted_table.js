/** A table with a small drawing in each row: chart and text alternative in one. On a phone a drawing has its own line. */

import { html, scrolled } from "./elements.js";

/**
 * @typedef {object} PlottedRow
 * @property {string} name
 * @property {string | null} [tag] a remark beside the name
 * @property {SVGElement} plot
 * @property {(string | HTMLElement)[]} cells
 * @property {string} [tone] the row's class
 * @property {HTMLElement} [below] what may stand in a row of its own below
 */

/**
 * @param {object} parts
 * @param {string} parts.caption
 * @param {string[]} parts.heads
 * @param {PlottedRow[]} parts.rows
 * @param {SVGElement} parts.axis
 * @param {[string, string][]} [parts.sums] names and values below the axis
 * @returns {HTMLElement}
 */
export function plottedTable({ caption, heads, rows, axis, sums = [] }) {
  const columns = heads.length;
  return scrolled(
    caption,
    html(
      "table",
      { class: "plotted", role: "table" },
      html("caption", { class: "visually-hidden" }, caption),
      html(
        "thead",
        { role: "rowgroup" },
        row(
          {},
          heads.map((head, index) => html("th", { scope: "col", role: "columnheader", class: classOf(index) }, head)),
        ),
      ),
      html(
        "tbody",
        { role: "rowgroup" },
        rows.flatMap((each) => plottedRow(each, columns)),
      ),
      html(
        "tfoot",
        { role: "rowgroup" },
        html(
          "tr",
          { class: "axis-row", "aria-hidden": "true" },
          Array.from({ length: columns }, (_, index) =>
            html("td", { class: classOf(index) }, index === 1 ? axis : null),
          ),
        ),
        sums.map((sum) => sumRow(sum, columns)),
      ),
    ),
  );
}

/** @param {PlottedRow} row @param {number} columns */
function plottedRow({ name, tag, plot, cells, tone, below }, columns) {
  const label = tag ? html("span", { class: "tag" }, tag) : null;
  const shown = row({ class: tone }, [
    html("th", { scope: "row", role: "rowheader" }, name, label),
    html("td", { role: "cell", class: "plot" }, plot),
    ...cells.map((cell, index) => html("td", { role: "cell", class: `number ${classOf(index + 2) ?? ""}` }, cell)),
  ]);
  if (!below) return [shown];
  return [
    shown,
    row({ class: "told", id: below.id && `${below.id}-row`, hidden: true }, [
      html("td", { role: "cell", colspan: columns }, below),
    ]),
  ];
}

function sumRow([name, value], columns) {
  return row({ class: "sum" }, [
    html("th", { scope: "row", role: "rowheader", colspan: columns - 1 }, name),
    html("td", { role: "cell", class: "number" }, value),
  ]);
}

const row = (attributes, cells) => html("tr", { role: "row", ...attributes }, cells);

/** The drawing stands second; what stands fourth may be left out where there is little room. */
function classOf(index) {
  return index === 1 ? "plot" : index === 3 ? "extra" : null;
}
