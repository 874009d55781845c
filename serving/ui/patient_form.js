/** The form: which model, the profile, and the clinical values that this model reads. */

import { byId, html } from "./elements.js";
import { clearErrors, showError } from "./field_errors.js";
import { ProfileTextError, profileText, readProfile } from "./profile_text.js";
import { ask } from "./service.js";
import { endpointWords, monthsWords, scaleWords } from "./words.js";

const OWN = "own";
/** Of a file that is no profile. */
const LONGEST_SHOWN = 2000;
const SCALES = [
  "log2_tpm_1",
  "log2_tpm_0001",
  "log2_rsem_1",
  "log2_fpkm_uq_1",
  "tpm",
  "rsem",
  "fpkm_uq",
  "counts",
  "microarray_log2",
  "zscore",
];
const CHOICES = {
  sex: ["female", "male"],
  stage: ["I", "II", "III", "IV"],
  grade: ["G1", "G2", "G3", "G4"],
};

/** The patient's form and what stands in it. */
export class PatientForm {
  /** @param {any[]} models as `/models` returns them */
  constructor(models) {
    this.models = models;
    this.example = "";
    const label = (model) =>
      `${model.cancer_type}, ${endpointWords(model.endpoint)}${model.exploratory ? " (exploratory)" : ""}`;
    this.modelSelect.replaceChildren(...models.map((model) => html("option", { value: model.name }, label(model))));
    this.modelSelect.addEventListener("change", () => this.showModel());
    byId("scale").addEventListener("change", () => this.showReference());
    byId("profile").addEventListener("input", () => this.countGenes());
    byId("take-example").addEventListener("click", () => this.takeExample());
    this.showModel();
    takeFiles((text) => this.take(text));
  }

  get modelSelect() {
    return /** @type {HTMLSelectElement} */ (byId("model"));
  }

  /** The model that is chosen. */
  get model() {
    return this.models.find((model) => model.name === this.modelSelect.value);
  }

  /** The clinical columns that the chosen model reads. @returns {string[]} */
  get clinicalColumns() {
    return this.model.variants.clinical?.clinical ?? [];
  }

  /** Ask for what the chosen model reads. */
  showModel() {
    const model = this.model;
    byId("model-hint").textContent =
      `${model.n_patients} patients, ${model.n_events} events; answers until ${monthsWords(model.horizon_months_max)} months.`;
    byId("scale").replaceChildren(
      ...SCALES.map((scale) => html("option", { value: scale, selected: scale === model.scale }, scaleWords(scale))),
    );
    const columns = this.clinicalColumns;
    byId("clinical-fields").hidden = columns.length === 0;
    byId("clinical-hint").textContent = "All of them, or none: without them the genes alone answer.";
    byId("clinical").replaceChildren(...columns.map(clinicalField));
    this.showReference();
    this.countGenes();
  }

  /** Ask what z-scores refer to, where they are sent. */
  showReference() {
    const { zscore_reference: reference } = this.model;
    byId("reference-field").hidden = valueOf("scale") !== "zscore";
    const options = reference ? [[reference, `the model's: ${reference}`]] : [];
    options.push([OWN, "a reference of their own"]);
    byId("reference").replaceChildren(...options.map(([value, text]) => html("option", { value }, text)));
  }

  /** Say how many of the model's genes the profile holds. */
  countGenes() {
    const count = byId("profile-count");
    try {
      const genes = Object.keys(readProfile(valueOf("profile")).expression);
      const used = usedGenes(this.model);
      const found = genes.filter((gene) => used.has(gene)).length;
      count.textContent = `${genes.length} values; ${found} of the ${used.size} genes that the model reads, by symbol.`;
    } catch {
      count.textContent = "";
    }
  }

  /** Fill the form with the model's synthetic patient. */
  async takeExample() {
    const { cancer_type: cancerType, endpoint } = this.model;
    this.take(JSON.stringify(await ask(`example/${encodeURIComponent(cancerType)}`, { endpoint })));
    this.example = valueOf("profile");
    byId("score").focus();
  }

  /** Whether the genes are still the synthetic patient's. */
  get isExample() {
    return this.example !== "" && valueOf("profile") === this.example;
  }

  /**
   * Take a profile that was dropped, chosen or made.
   * @param {string} text
   */
  take(text) {
    clearErrors();
    let read;
    try {
      read = readProfile(text);
    } catch (error) {
      if (!(error instanceof ProfileTextError)) throw error;
      setValue("profile", text.slice(0, LONGEST_SHOWN));
      showError("profile", error.message);
      return;
    }
    const { cancerType, endpoint, scale, reference } = read.stated;
    const stated = this.models.find((model) => model.cancer_type === cancerType && model.endpoint === endpoint);
    if (stated && stated.name !== this.model.name) {
      this.modelSelect.value = stated.name;
      this.showModel();
    }
    if (scale) setValue("scale", scale);
    this.showReference();
    if (reference) setValue("reference", reference);
    setValue("profile", profileText(read.expression));
    this.setClinical(read);
    this.countGenes();
    if (read.note) byId("profile-count").textContent = read.note;
  }

  setClinical({ clinical, survivedMonths }) {
    for (const column of clinical ? this.clinicalColumns : []) setValue(`clinical-${column}`, clinical[column] ?? "");
    if (survivedMonths !== null) setValue("survived", survivedMonths);
  }

  /**
   * Put together what is sent.
   * @param {(model: any, survived: number) => number[]} horizons
   * @returns {object}
   * @throws {ProfileTextError}
   */
  request(horizons) {
    const survived = valueOf("survived").trim().replace(",", ".");
    const clinical = Object.fromEntries(this.clinicalColumns.map((column) => [column, clinicalValue(column)]));
    const known = Object.values(clinical).some((value) => value !== null);
    const months = Number(survived || 0);
    const asked = horizons(this.model, Number.isFinite(months) && months > 0 ? months : 0);
    const profile = {
      id: "patient",
      expression: readProfile(valueOf("profile")).expression,
      clinical: known ? clinical : null,
      survived_months: survived === "" ? null : numberOrText(survived),
    };
    const { cancer_type, endpoint } = this.model;
    const scale = valueOf("scale");
    const reference = scale === "zscore" ? { zscore_reference: valueOf("reference") } : {};
    return {
      cancer_type,
      endpoint,
      scale,
      ...reference,
      horizons_months: asked.length ? asked : null,
      profiles: [profile],
    };
  }
}

function usedGenes(model) {
  const read = Object.values(model.variants).flatMap((variant) => Object.values(variant.covariates));
  return new Set(read.flatMap((covariate) => covariate.genes));
}

function clinicalField(column) {
  const id = `clinical-${column}`;
  const name = column === "age" ? "age, years" : column.replaceAll("_", " ");
  const label = html("label", { for: id }, name[0].toUpperCase() + name.slice(1));
  const known = CHOICES[column];
  if (!known) {
    return html(
      "div",
      { class: "field" },
      label,
      html("input", { id, autocomplete: "off", inputmode: column === "age" ? "decimal" : "text" }),
    );
  }
  const options = ["", ...known].map((value) => html("option", { value }, value || "not given"));
  return html("div", { class: "field" }, label, html("select", { id }, options));
}

function clinicalValue(column) {
  const text = valueOf(`clinical-${column}`).trim();
  if (text === "") return null;
  return column === "age" ? numberOrText(text.replace(",", ".")) : text;
}

function numberOrText(text) {
  return Number.isFinite(Number(text)) ? Number(text) : text;
}

function takeFiles(take) {
  const area = byId("profile");
  const chosen = /** @type {HTMLInputElement} */ (byId("profile-file"));
  const read = async (file) => {
    if (file) take(await file.text());
  };
  byId("choose-file").addEventListener("click", () => chosen.click());
  chosen.addEventListener("change", async () => {
    await read(chosen.files?.[0]);
    chosen.value = "";
  });
  // Wherever on the page it is dropped: elsewhere the browser would leave the page and open the file.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    area.classList.add("over");
  });
  document.addEventListener("dragleave", () => area.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over");
    read(event.dataTransfer?.files[0]);
  });
}

function valueOf(id) {
  return /** @type {HTMLInputElement} */ (byId(id)).value;
}

function setValue(id, value) {
  /** @type {HTMLInputElement} */ (byId(id)).value = String(value);
}
