/** Numbers and names as a reader sees them. */

/** @typedef {import("./service.js").Figure} Figure */

const ENDPOINTS = {
  OS: "overall survival",
  DSS: "disease-specific survival",
  DFI: "disease-free interval",
  PFI: "progression-free interval",
};
const LEARNERS = {
  auto: "all learners, weighed",
  penalised_cox: "penalised Cox",
  pooled_cox: "pooled Cox",
  boosted: "boosted trees",
  clinical_only: "clinical values only",
  clinical_boosted: "boosted trees on clinical values only",
  auto_clinical: "all learners on clinical values only, weighed",
  kaplan_meier: "Kaplan–Meier (no covariate)",
  best_single_gene: "best single gene",
};
const SCORES = { em_balance: "E/M balance", cluster_1: "Cluster 1 score", cluster_2: "Cluster 2 score" };
const NO_FIGURE = "–";

/** @param {string} endpoint */
export const endpointWords = (endpoint) => ENDPOINTS[endpoint] ?? endpoint;

/** What it means to be above the line of a survival curve. @param {string} endpoint */
export const aliveWords = (endpoint) => (endpoint === "OS" ? "Alive" : "Free of the event");

/** @param {string} name of a learner, baseline, or one without clinical values */
export function learnerWords(name) {
  const bare = name.replace(/_genes_only$/, "");
  const words = LEARNERS[bare] ?? bare.replaceAll("_", " ");
  return bare === name ? words : `${words}, genes only`;
}

/** @param {string} name of a covariate */
export const covariateWords = (name) => SCORES[name] ?? name.replace("=", ": ");

/** @param {string} scale */
export const scaleWords = (scale) =>
  ({
    zscore: "z-scores",
    log2_tpm_1: "log2(TPM + 1)",
    log2_tpm_0001: "log2(TPM + 0.001)",
    log2_rsem_1: "log2(RSEM + 1)",
    log2_fpkm_uq_1: "log2(FPKM-UQ + 1)",
    tpm: "TPM",
    rsem: "RSEM",
    fpkm_uq: "FPKM-UQ",
    counts: "counts",
    microarray_log2: "microarray, log2",
  })[scale] ?? scale;

/** @param {number | null | undefined} share of 1 */
export const percent = (share) => (isKnown(share) ? `${(100 * share).toFixed(0)} %` : NO_FIGURE);

/** @param {number | null | undefined} value @param {number} digits */
export const fixed = (value, digits) => (isKnown(value) ? value.toFixed(digits).replace("-", "−") : NO_FIGURE);

/** With its sign, to two digits; what rounds to nothing has none. @param {number} value */
export function signed(value) {
  const written = fixed(value, 2).replace(/^−(0\.00)$/, "$1");
  return value > 0 && written !== "0.00" ? `+${written}` : written;
}

/**
 * Two ends in words.
 * @param {number | null} lower @param {number | null} upper @param {(value: number) => string} words
 */
export const range = (lower, upper, words) =>
  isKnown(lower) && isKnown(upper) ? `${words(lower)} to ${words(upper)}` : "no interval";

/** A figure with its interval. @param {Figure} figure @param {number} [digits] */
export function withInterval({ value, lower, upper }, digits = 2) {
  if (!isKnown(value)) return NO_FIGURE;
  const ends = isKnown(lower) && isKnown(upper) ? ` (${fixed(lower, digits)} to ${fixed(upper, digits)})` : "";
  return fixed(value, digits) + ends;
}

/** @param {number | null} p */
export function probabilityWords(p) {
  if (!isKnown(p)) return NO_FIGURE;
  return p < 0.001 ? "< 0.001" : p.toFixed(p < 0.095 ? 3 : 2);
}

/** Months without a needless decimal. @param {number} months */
export const monthsWords = (months) => String(Math.round(10 * months) / 10);

/** @param {string} timestamp ISO 8601 */
export const dayWords = (timestamp) => timestamp.slice(0, 10);

/** With a capital letter. @param {string} text */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {number | null | undefined} value @returns {value is number} */
export const isKnown = (value) => typeof value === "number" && Number.isFinite(value);
