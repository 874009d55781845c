/** The first tab: from the form to the answer, or to what is wrong beside its field. */

import { answerView, spokenSummary } from "./answer.js";
import { announce, byId } from "./elements.js";
import { clearErrors, fieldAtFault, showError } from "./field_errors.js";
import { PatientForm } from "./patient_form.js";
import { ProfileTextError } from "./profile_text.js";
import { ServiceProblem, score } from "./service.js";
import { askedHorizons } from "./survival_chart.js";
import { sentence } from "./words.js";

/** @param {any[]} models as `/models` returns them */
export function startPatientTab(models) {
  const form = new PatientForm(models);
  const element = byId("patient-form");
  const empty = [...byId("answer").children];
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    scoreForm(form);
  });
  element.addEventListener("reset", () => {
    clearErrors();
    byId("answer").replaceChildren(...empty);
    // The browser empties the fields after this event.
    setTimeout(() => form.showModel());
  });
  byId("take-example").addEventListener("click", () => clearErrors());
}

async function scoreForm(form) {
  const button = /** @type {HTMLButtonElement} */ (byId("score"));
  if (button.getAttribute("aria-busy")) return;
  clearErrors();
  button.setAttribute("aria-busy", "true");
  try {
    const response = await score(form.request(askedHorizons));
    const label = /** @type {HTMLInputElement} */ (byId("label")).value.trim();
    const shown = { label, at: new Date(), isExample: form.isExample };
    byId("answer").replaceChildren(...answerView(response, shown));
    byId("answer-title").focus();
    announce(spokenSummary(response));
  } catch (error) {
    showProblem(error, form);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function showProblem(error, form) {
  if (error instanceof ProfileTextError) {
    showError("profile", error.message);
  } else if (error instanceof ServiceProblem) {
    showError(fieldAtFault(error, form.clinicalColumns), ofThePatient(error.message));
  } else {
    throw error;
  }
  announce("Not scored: see the message.");
}

/** What the service says of the one profile that it was sent. */
const ofThePatient = (text) => sentence(text.replace(/^profile 'patient': /, ""));
