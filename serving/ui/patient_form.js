/** The form: which model, the profile, and the clinical values that this model reads. */

import { clinicalField, clinicalValues, fillClinical, numberOrText, setValue, valueOf } from "./clinical_fields.js";
import { takeFiles } from "./dropped_files.js";
import { byId, html } from "./elements.js";
import { FieldError, clearErrors, showError } from "./field_errors.js";
import { isJson, isWhole } from "./profile_json.js";
import { profileText, readProfile } from "./profile_text.js";
import { queryOf, views } from "./references.js";
import { ask } from "./service.js";
import { statedModel, statedReference, takenWords } from "./taken_profile.js";
import { endpointWords, monthsWords, scaleWords } from "./words.js";

const OWN = "own";

/** The patient's form and what stands in it. */
export class PatientForm {
  /**
   * @param {any[]} models as `/models` returns them
   * @param {string[]} scales that the service knows
   * @param {() => void} onTaken called when the form was filled by other means than by hand
   */
  constructor(models, scales, onTaken) {
    this.models = models;
    this.scales = scales;
    this.onTaken = onTaken;
    this.example = "";
    this.filled = "";
    const label = (model) =>
      `${model.cancer_type}, ${endpointWords(model.endpoint)}${model.exploratory ? " (exploratory)" : ""}`;
    this.modelSelect.replaceChildren(...models.map((model) => html("option", { value: model.name }, label(model))));
    this.modelSelect.addEventListener("change", () => this.showModel());
    byId("scored-as").addEventListener("change", () => this.showView());
    byId("scale").addEventListener("change", () => this.showReference());
    byId("take-example").addEventListener("click", () => this.takeExample());
    this.watchProfile();
    this.showModel();
    takeFiles((text) => this.take(text), showError);
  }

  get modelSelect() {
    return /** @type {HTMLSelectElement} */ (byId("model"));
  }

  /** The model that is chosen. */
  get model() {
    return this.models.find((model) => model.name === this.modelSelect.value);
  }

  /** The model on the reference that is chosen. */
  get view() {
    const [first, ...others] = views(this.model);
    return others.find((view) => view.reference === valueOf("scored-as")) ?? first;
  }

  /** The clinical columns that the chosen model reads. @returns {string[]} */
  get clinicalColumns() {
    return this.model.variants.clinical?.clinical ?? [];
  }

  /** Whether the genes are still the synthetic patient's. */
  get isExample() {
    return this.example !== "" && valueOf("profile") === this.example;
  }

  /** What stands in the fields of the patient beside the genes. */
  get ofThePatient() {
    return JSON.stringify([clinicalValues(this.clinicalColumns), valueOf("survived"), valueOf("label")]);
  }

  /** Ask for what the chosen model reads. */
  showModel() {
    const seen = views(this.model);
    const label = (view) => `${view.reference}${view.reference_is_default ? " (unless another is chosen)" : ""}`;
    byId("scored-as-field").hidden = seen.length < 2;
    byId("scored-as").replaceChildren(
      ...seen.map((view) => html("option", { value: view.reference ?? "" }, label(view))),
    );
    const columns = this.clinicalColumns;
    byId("clinical-fields").hidden = columns.length === 0;
    byId("clinical-hint").textContent = "All of them, or none: without them the genes alone answer.";
    byId("clinical").replaceChildren(...columns.map(clinicalField));
    this.showView();
    this.countGenes();
  }

  /** Say what the chosen reference is, and ask for values on its scale. */
  showView() {
    const { view } = this;
    byId("model-hint").textContent =
      `${view.n_patients} patients, ${view.n_events} events; answers until ${monthsWords(view.horizon_months_max)} months.`;
    byId("scale").replaceChildren(
      ...this.scales.map((scale) => html("option", { value: scale, selected: scale === view.scale }, scaleWords(scale))),
    );
    this.showReference();
  }

  /** Empty what was said of a profile that was taken, and ask for another. */
  startAnew() {
    this.filled = "";
    say([]);
    this.showModel();
  }

  /** Ask what z-scores refer to, where they are sent. */
  showReference() {
    const { zscore_reference: reference } = this.view;
    byId("reference-field").hidden = valueOf("scale") !== "zscore";
    const options = reference ? [[reference, `the model's: ${reference}`]] : [];
    options.push([OWN, "a reference of their own"]);
    byId("reference").replaceChildren(...options.map(([value, text]) => html("option", { value }, text)));
  }

  /** Read what is pasted over everything as a file is read, and JSON as soon as it is whole. */
  watchProfile() {
    const area = /** @type {HTMLTextAreaElement} */ (byId("profile"));
    let replaces = false;
    area.addEventListener("paste", () => {
      replaces = area.selectionStart === 0 && area.selectionEnd === area.value.length;
    });
    area.addEventListener("input", () => {
      if (replaces || (isJson(area.value) && isWhole(area.value))) this.take(area.value);
      else this.countGenes();
      replaces = false;
    });
  }

  /** Say how many of the model's genes the profile holds, and what of it is no gene. */
  countGenes() {
    byId("profile-count").textContent = this.counted();
  }

  counted() {
    const text = valueOf("profile");
    if (isJson(text)) return "This begins like JSON; it is read once it is whole.";
    try {
      const { expression, header, withoutValue } = readProfile(text);
      const genes = Object.keys(expression);
      const used = usedGenes(this.model);
      const found = genes.filter((gene) => used.has(gene)).length;
      return [
        `${genes.length} values; ${found} of the ${used.size} genes that the model reads, by symbol.`,
        header === null ? "" : `Line 1 (${header.slice(0, 60)}) was taken as the header.`,
        withoutValue ? `${withoutValue} without a value.` : "",
      ].join(" ");
    } catch {
      return "";
    }
  }

  /** Fill the form with the model's synthetic patient. */
  async takeExample() {
    const { view } = this;
    try {
      this.take(JSON.stringify(await ask(`example/${encodeURIComponent(view.cancer_type)}`, queryOf(view))));
    } catch (error) {
      showError(new FieldError(null, error instanceof Error ? error.message : String(error)));
      return;
    }
    this.example = valueOf("profile");
    setValue("label", "");
    this.filled = this.ofThePatient;
    say([]);
    byId("score").focus();
  }

  /**
   * Take a profile that was dropped, chosen, pasted or made; what is wrong with it is said beside it.
   * @param {string} text
   */
  take(text) {
    clearErrors();
    try {
      this.adopt(text);
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      setValue("profile", text);
      say([]);
      this.countGenes();
      this.onTaken();
      showError(error);
    }
  }

  /**
   * Fill the form with all that a profile states.
   * @param {string} text
   * @throws {FieldError}
   */
  adopt(text) {
    const read = readProfile(text);
    const model = statedModel(this.models, this.model, read.stated);
    if (model !== this.model) {
      this.modelSelect.value = model.name;
      this.showModel();
    }
    const reference = statedReference(this.model, read);
    if (reference !== undefined && reference !== this.view.reference) {
      setValue("scored-as", reference);
      this.showView();
    }
    this.adoptScale(read.stated);
    setValue("profile", read.isJson ? profileText(read.expression) : text);
    byId("profile").scrollTop = 0;
    this.countGenes();
    say([...this.adoptPatient(read), ...(read.isJson && read.withoutValue ? [withoutWords(read.withoutValue)] : [])]);
    this.onTaken();
  }

  adoptScale({ scale, zscore_reference: reference }) {
    if (scale) setValue("scale", scale);
    this.showReference();
    if (reference && valueOf("scale") !== "zscore") {
      throw new FieldError("profile", "The request names what z-scores refer to, but its scale is another: correct one.");
    }
    // The service reads z-scores without a reference as having one of their own.
    if (reference ?? (scale === "zscore" ? OWN : null)) setValue("reference", reference ?? OWN);
  }

  /** Fill in the patient that came with the genes; what is left of another is taken away. @returns {string[]} */
  adoptPatient(read) {
    const wasFilled = this.filled !== "" && this.ofThePatient === this.filled;
    const kept = this.ofThePatient !== JSON.stringify([null, "", ""]);
    if (!read.patient && !wasFilled) return kept ? ["The other fields stay as they are: see that they fit."] : [];
    const { clinical, survivedMonths, id } = read.patient ?? { clinical: {}, survivedMonths: null, id: null };
    fillClinical(this.clinicalColumns, clinical);
    setValue("survived", survivedMonths ?? "");
    setValue("label", (id ?? "").slice(0, 60));
    this.filled = read.patient ? this.ofThePatient : "";
    if (read.patient) return takenWords(read, this.clinicalColumns);
    return ["The clinical values that came with the profile before were taken away."];
  }

  /**
   * Put together what is sent.
   * @param {(model: any, survived: number) => number[]} horizons
   * @returns {object}
   * @throws {FieldError}
   */
  request(horizons) {
    if (isJson(valueOf("profile"))) this.adopt(valueOf("profile"));
    const survived = survivedMonths();
    const { view } = this;
    const asked = horizons(view, survived ?? 0);
    const profile = {
      id: "patient",
      expression: readProfile(valueOf("profile")).expression,
      clinical: clinicalValues(this.clinicalColumns),
      survived_months: survived,
    };
    const { cancer_type, endpoint, reference: name } = view;
    const scale = valueOf("scale");
    const reference = scale === "zscore" ? { zscore_reference: valueOf("reference") } : {};
    const horizons_months = asked.length ? asked : null;
    const named = name === null ? {} : { reference: name };
    return { cancer_type, endpoint, scale, ...reference, ...named, horizons_months, profiles: [profile] };
  }
}

function usedGenes(model) {
  const read = Object.values(model.variants).flatMap((variant) => Object.values(variant.covariates));
  return new Set(read.flatMap((covariate) => covariate.genes));
}

function survivedMonths() {
  const text = valueOf("survived").trim();
  if (text === "") return null;
  const months = numberOrText(text.replace(",", "."));
  if (typeof months === "number" && months > 0) return months;
  throw new FieldError(
    "survived",
    "The months survived must be a number above 0, such as 6.5; leave the field empty if nothing is known.",
  );
}

const withoutWords = (count) => `${count} of its genes have no value and were left out.`;

/** @param {string[]} sentences of what was taken over; none takes them away */
function say(sentences) {
  const place = byId("profile-taken");
  place.replaceChildren(...sentences.map((text) => html("p", {}, text)));
  place.hidden = sentences.length === 0;
}
