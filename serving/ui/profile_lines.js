/** Reads lines of gene and value; says in which line they are wrong, and leaves nothing out unsaid. */

import { FieldError } from "./field_errors.js";

const SEPARATORS = ["\t", ";", ","];
const NOT_KNOWN = /^(na|n\/a|nan|null|none|-|)$/i;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** A decimal comma, or one between thousands. */
const WITH_COMMA = /^[+-]?\d+,\d+$/;
const MAYBE_THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/;
/** What the first column of a table of genes is called, without its spaces and dashes. */
const HEADERS = new Set(
  (
    " gene genes symbol symbols genesymbol hugosymbol hgncsymbol genename geneid id name identifier " +
    "ensembl ensemblid ensemblgeneid ensg entrez entrezid entrezgeneid index feature target"
  ).split(" "),
);

/**
 * @typedef {{number: number, gene: string, written: string}} Line
 * @typedef {object} ReadLines
 * @property {Record<string, number>} expression
 * @property {string | null} header the first line, where it names the columns
 * @property {number} withoutValue lines whose value is not known
 */

/**
 * @param {string} text not empty
 * @returns {ReadLines}
 * @throws {FieldError}
 */
export function readLines(text) {
  const { lines, separator } = cellsOf(text);
  const header = namesColumns(lines[0]) ? lines[0] : null;
  const rows = header ? lines.slice(1) : lines;
  const known = rows.filter((row) => !NOT_KNOWN.test(row.written));
  const value = separator === "," ? pointValue : valueReader(known);
  const expression = {};
  for (const row of known) {
    const { number, gene } = row;
    if (!gene) throw wrong(number, "the gene's name is missing before its value.");
    if (Object.hasOwn(expression, gene)) throw wrong(number, `${clipped(gene)} stands there a second time.`);
    expression[gene] = value(row);
  }
  return { expression, header: header && `${header.gene}, ${header.written}`, withoutValue: rows.length - known.length };
}

function cellsOf(text) {
  const written = text.split(/\r\n|\r|\n/);
  const numbered = written.map((line, index) => ({ line, number: index + 1 })).filter(({ line }) => line.trim());
  const [{ line: first, number }] = numbered;
  const separator = SEPARATORS.find((each) => first.includes(each));
  if (!separator) throw wrong(number, "a gene and a value must stand there, with a comma, semicolon or tab between.");
  return { separator, lines: numbered.map(({ line, number }) => lineOf(line, number, separator)) };
}

function lineOf(line, number, separator) {
  const cells = line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  if (cells.length !== 2) throw wrong(number, `two columns must stand there, gene and value, not ${cells.length}.`);
  return { number, gene: cells[0], written: cells[1] };
}

/** Only a word that names a column: a gene whose value is wrong is none. */
function namesColumns({ gene, written }) {
  const isNumber = NUMBER.test(written) || WITH_COMMA.test(written);
  return !isNumber && HEADERS.has(gene.toLowerCase().replace(/[\s_.#-]/g, ""));
}

/** @param {Line} line */
function pointValue({ number, gene, written }) {
  const value = NUMBER.test(written) ? Number(written) : Number.NaN;
  if (Number.isFinite(value)) return value;
  const mend = number === 1 ? " If this line names the columns, begin it with “gene”." : "";
  throw wrong(number, `the value of ${clipped(gene)} is no number.${mend}`);
}

/**
 * How commas are meant follows from all values: a point elsewhere, or three digits behind every comma, leave it open.
 * @param {Line[]} rows
 * @returns {(row: Line) => number}
 */
function valueReader(rows) {
  const commas = rows.filter(({ written }) => WITH_COMMA.test(written));
  const decimal = commas.some(({ written }) => !MAYBE_THOUSANDS.test(written));
  const points = rows.some(({ written }) => written.includes("."));
  if (commas.length && (points || !decimal)) throw ambiguous(commas[0]);
  return (row) => pointValue({ ...row, written: row.written.replace(/^([+-]?\d+),(\d+)$/, "$1.$2") });
}

function ambiguous({ number, gene }) {
  return wrong(
    number,
    `the comma in the value of ${clipped(gene)} may stand for decimals or between thousands; write decimals with a ` +
      "point, and thousands without a mark.",
  );
}

const wrong = (number, message) => new FieldError("profile", `Line ${number}: ${message}`);

const clipped = (name) => name.slice(0, 40);
