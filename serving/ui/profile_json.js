/** Reads a profile from JSON: a whole request, one of its profiles, or genes and values; nothing is passed over unsaid. */

import { FieldError } from "./field_errors.js";

const REQUEST = ["cancer_type", "endpoint", "scale", "zscore_reference", "reference"];
/** What the page asks for in its own way. */
const OWN_WAY = ["horizons_months", "contributions", "hazard_ratios"];
const PROFILE = ["id", "expression", "clinical", "survived_months"];

/**
 * @typedef {object} StatedPatient
 * @property {string | null} id
 * @property {Record<string, string | number | null>} clinical
 * @property {string | number | null} survivedMonths
 *
 * @typedef {object} ReadJson
 * @property {Record<string, number>} expression
 * @property {number} withoutValue genes whose value is null
 * @property {StatedPatient | null} patient null where there are only genes
 * @property {Record<string, any>} stated members of the request
 * @property {string[]} others the ids of the profiles after the first
 */

/** Whether a text is meant as JSON. @param {string} text */
export const isJson = (text) => /^[\s\uFEFF]*[{[]/.test(text);

/** Whether it is JSON as it stands, and not yet being typed. @param {string} text */
export function isWhole(text) {
  try {
    JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return false;
  }
  return true;
}

/**
 * @param {string} text
 * @returns {ReadJson}
 * @throws {FieldError}
 */
export function readJson(text) {
  const document = parsed(text);
  if (!isObject(document)) throw wrong("This JSON must be one object: a request, a profile, or genes and their values.");
  const twice = repeatedKey(text, document);
  if (twice) throw wrong(`“${twice.slice(0, 40)}” stands twice in one object of this JSON; write it once.`);
  if (document.profiles !== undefined) return fromRequest(document);
  if (document.expression === undefined) return { ...genes(document), patient: null, stated: {}, others: [] };
  requireKnown(document, [...REQUEST, ...OWN_WAY, ...PROFILE], "a request with one profile");
  return { ...fromProfile(document), stated: document, others: [] };
}

function fromRequest(document) {
  requireKnown(document, [...REQUEST, ...OWN_WAY, "profiles"], "a request");
  const { profiles } = document;
  if (!Array.isArray(profiles) || !profiles.length) throw wrong("The request's “profiles” holds no profile.");
  const [first, ...others] = profiles;
  requireKnown(first, PROFILE, "a profile");
  return { ...fromProfile(first), stated: document, others: others.map((each) => String(each?.id ?? "without id")) };
}

function fromProfile({ id = null, expression, clinical, survived_months: survivedMonths }) {
  const patient = { id: id && String(id), clinical: clinicalOf(clinical ?? {}), survivedMonths: word(survivedMonths) };
  return { ...genes(expression), patient };
}

function clinicalOf(clinical) {
  if (!isObject(clinical)) throw wrong("The profile's “clinical” must be an object of names and values.");
  return Object.fromEntries(Object.entries(clinical).map(([name, value]) => [name, word(value)]));
}

function word(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "number") return value;
  throw wrong("A clinical value, or the months survived, must be a number or a word.");
}

function genes(members) {
  if (!isObject(members)) throw wrong("The profile's “expression” must be an object of genes and numbers.");
  const entries = Object.entries(members);
  const known = entries.filter(([, value]) => value !== null);
  const odd = known.find(([, value]) => typeof value !== "number");
  if (odd) throw wrong(`The value of ${odd[0].slice(0, 40)} is no number; write it without quotes.`);
  return { expression: Object.fromEntries(known), withoutValue: entries.length - known.length };
}

function requireKnown(members, known, what) {
  if (!isObject(members)) throw wrong(`${what[0].toUpperCase()}${what.slice(1)} must be an object.`);
  const odd = Object.keys(members).find((name) => !known.includes(name));
  if (odd) throw wrong(`“${odd.slice(0, 40)}” is nothing that ${what} has; correct its name, or leave it out.`);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw wrong(`This begins like JSON and is none: ${error instanceof Error ? error.message : error}.`);
  }
}

/** The first key that is written more often than the document holds it: of the two JSON keeps one. */
function repeatedKey(text, document) {
  const left = new Map();
  const count = (value) => {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value)) for (const key of Object.keys(value)) left.set(key, (left.get(key) ?? 0) + 1);
    Object.values(value).forEach(count);
  };
  count(document);
  for (const [, written, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?/g)) {
    if (!colon) continue;
    const key = JSON.parse(written);
    if (!left.get(key)) return key;
    left.set(key, left.get(key) - 1);
  }
  return null;
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const wrong = (message) => new FieldError("profile", message);
