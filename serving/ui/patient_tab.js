/** The first tab: from the form to the answer, or to what is wrong beside its field. */

import { spokenSummary } from "./answer.js";
import { AnswerPlace, NONE } from "./answer_place.js";
import { valueOf } from "./clinical_fields.js";
import { announce, byId } from "./elements.js";
import { FieldError, clearErrors, showError } from "./field_errors.js";
import { PatientForm } from "./patient_form.js";
import { fieldError } from "./problem_words.js";
import { ServiceProblem, score } from "./service.js";
import { askedHorizons } from "./survival_chart.js";

/**
 * @param {any[]} models as `/models` returns them
 * @param {string[]} scales that the service knows
 */
export function startPatientTab(models, scales) {
  const place = new AnswerPlace();
  const form = new PatientForm(models, scales, () => place.formChanged());
  const element = byId("patient-form");
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    scoreForm(form, place);
  });
  element.addEventListener("input", ({ target }) => {
    if (target === byId("label")) place.rename(shownOf(form));
    else place.formChanged();
  });
  element.addEventListener("reset", () => {
    clearErrors();
    // The browser empties the fields after this event.
    setTimeout(() => {
      form.startAnew();
      place.startAnew();
    });
  });
}

const shownOf = (form) => ({ label: valueOf("label").trim(), isExample: form.isExample });

async function scoreForm(form, place) {
  const button = /** @type {HTMLButtonElement} */ (byId("score"));
  if (button.getAttribute("aria-busy")) return;
  clearErrors();
  button.setAttribute("aria-busy", "true");
  place.clear(NONE.scoring);
  try {
    const request = form.request(askedHorizons);
    const { changes } = place;
    place.clear(NONE.scoring);
    const response = await score(request);
    if (place.changes !== changes) {
      announce("The form has changed since; score it again.");
      return;
    }
    place.show(response, { ...shownOf(form), at: new Date() });
    announce(spokenSummary(response));
  } catch (error) {
    place.clear(NONE.refused);
    showProblem(error, form);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function showProblem(error, form) {
  if (error instanceof FieldError) showError(error);
  else if (error instanceof ServiceProblem) showError(fieldError(error, form.clinicalColumns));
  else throw error;
  announce("Not scored: see the message.");
}
