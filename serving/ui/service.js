/** Asks the service; its problems (RFC 9457) become errors that name the field at fault. */

/**
 * @typedef {{value: number | null, lower: number | null, upper: number | null}} Figure
 * @typedef {{title: string, status: number, detail: string, field: string | null}} Problem
 * @typedef {{horizon_months: number, probability: number, lower: number | null, upper: number | null,
 *   cohort_probability: number | null, cohort_lower: number | null, cohort_upper: number | null,
 *   cohort_at_risk: number | null}} SurvivalPoint
 */

/** What the service refused, in its words. */
export class ServiceProblem extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.title = problem.title;
    this.status = problem.status;
    this.field = problem.field;
  }
}

/**
 * Get an answer of the service.
 * @param {string} path relative to the service's root
 * @param {Record<string, string>} [query]
 * @returns {Promise<any>}
 */
export async function ask(path, query = {}) {
  const address = addressOf(path);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  return answered(fetch(address, { headers: { Accept: "application/json" } }));
}

/**
 * Send a request for scores; the only way on which a patient's values leave the page.
 * @param {object} request as `POST /score` takes it
 * @returns {Promise<any>}
 */
export async function score(request) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  return answered(fetch(addressOf("score"), { method: "POST", headers, body: JSON.stringify(request) }));
}

function addressOf(path) {
  // Not of the document's address as a whole: it may carry a user and a token, which fetch refuses.
  return new URL(path, location.origin + location.pathname);
}

async function answered(asked) {
  let response;
  try {
    response = await asked;
  } catch {
    throw new ServiceProblem(away("the service cannot be reached; try again in a moment."));
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  throw new ServiceProblem(body?.detail ? body : away(`the service answered with status ${response.status}.`));
}

function away(detail) {
  return { title: "No answer", status: 0, detail, field: null };
}
