/** Reads what was pasted or dropped: lines of gene and value, or JSON; says in which line it is wrong. */

/**
 * @typedef {object} ReadProfile
 * @property {Record<string, number>} expression
 * @property {Record<string, string | number | null> | null} clinical
 * @property {number | null} survivedMonths
 * @property {{cancerType?: string, endpoint?: string, scale?: string, reference?: string | null}} stated
 * @property {string | null} note
 */

/** Text that is no profile, with the way to mend it. */
export class ProfileTextError extends Error {}

const NOT_KNOWN = /^(na|n\/a|nan|null|none|-|)$/i;

/**
 * @param {string} text
 * @returns {ReadProfile}
 * @throws {ProfileTextError}
 */
export function readProfile(text) {
  const trimmed = text.replace(/^\uFEFF/, "").trim();
  if (!trimmed) throw new ProfileTextError("There is no profile: paste one, choose a file, or take the example.");
  return trimmed.startsWith("{") ? fromJson(trimmed) : bare(fromLines(trimmed));
}

/**
 * @param {Record<string, number>} expression
 * @returns {string} a line a gene, as `readProfile` reads it
 */
export function profileText(expression) {
  return Object.entries(expression)
    .map(([gene, value]) => `${gene}, ${value}`)
    .join("\n");
}

function bare(expression) {
  return { expression, clinical: null, survivedMonths: null, stated: {}, note: null };
}

function fromJson(text) {
  const document = parsed(text);
  const profiles = document.profiles;
  if (profiles === undefined)
    return document.expression === undefined ? bare(numbers(document)) : fromProfile(document, {}, null);
  if (!Array.isArray(profiles) || !profiles.length)
    throw new ProfileTextError('The request\'s "profiles" holds no profile.');
  const note = profiles.length > 1 ? `The request holds ${profiles.length} profiles; this page shows the first.` : null;
  const { cancer_type: cancerType, endpoint, scale, zscore_reference: reference } = document;
  return fromProfile(profiles[0], { cancerType, endpoint, scale, reference }, note);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ProfileTextError(`This begins like JSON and is none: ${error instanceof Error ? error.message : error}.`);
  }
}

function fromProfile(profile, stated, note) {
  const { expression, clinical = null, survived_months: survivedMonths = null } = profile ?? {};
  return { expression: numbers(expression), clinical, survivedMonths, stated, note };
}

function numbers(members) {
  if (typeof members !== "object" || members === null || Array.isArray(members)) {
    throw new ProfileTextError('The profile\'s "expression" must be an object of genes and numbers.');
  }
  const known = Object.entries(members).filter(([, value]) => value !== null);
  const odd = known.find(([, value]) => typeof value !== "number");
  if (odd) throw new ProfileTextError(`The value of ${odd[0]} is no number; send it bare, without quotes.`);
  if (!known.length) throw new ProfileTextError("The profile holds no gene with a value.");
  return Object.fromEntries(known);
}

function fromLines(text) {
  const lines = text.split(/\r\n|\r|\n/);
  const separator = ["\t", ";", ","].find((each) => lines[0].includes(each));
  if (!separator)
    throw new ProfileTextError("Line 1: a gene and a value must stand there, with a comma, semicolon or tab between.");
  const expression = {};
  lines.forEach((line, index) => addLine(expression, line, { separator, number: index + 1 }));
  if (!Object.keys(expression).length) throw new ProfileTextError("The profile holds no gene with a value.");
  return expression;
}

function addLine(expression, line, { separator, number }) {
  if (!line.trim()) return;
  const cells = line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  if (cells.length !== 2)
    throw new ProfileTextError(`Line ${number}: two columns must stand there, gene and value, not ${cells.length}.`);
  const [gene, written] = cells;
  if (NOT_KNOWN.test(written)) return;
  const value = Number(separator === "," ? written : written.replace(/^(-?\d+),(\d+)$/, "$1.$2"));
  // The first line may name the columns.
  if (!Number.isFinite(value) && number === 1) return;
  if (!Number.isFinite(value))
    throw new ProfileTextError(`Line ${number}: the value of ${gene.slice(0, 40)} is no number.`);
  if (Object.hasOwn(expression, gene))
    throw new ProfileTextError(`Line ${number}: ${gene.slice(0, 40)} stands there a second time.`);
  expression[gene] = value;
}
