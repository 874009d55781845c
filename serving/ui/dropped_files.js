/** Files with a profile: chosen, or dropped anywhere on the page. */

import { byId } from "./elements.js";
import { FieldError } from "./field_errors.js";

/** No profile is longer: some sixty thousand genes, as JSON. */
const MOST_BYTES = 2 ** 23;

/**
 * @param {(text: string) => void} take
 * @param {(error: FieldError) => void} refuse
 */
export function takeFiles(take, refuse) {
  const area = byId("profile");
  const chosen = /** @type {HTMLInputElement} */ (byId("profile-file"));
  const read = async (file) => {
    if (!file) return;
    if (file.size > MOST_BYTES) refuse(tooLarge());
    else take(await file.text());
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
    area.classList.remove("over");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    read(event.dataTransfer.files[0]);
  });
}

function tooLarge() {
  return new FieldError(
    "profile",
    `This file is larger than ${MOST_BYTES / 2 ** 20} MiB: one patient's profile is not. Files of many patients are ` +
      "scored by “prognosis score”.",
  );
}
