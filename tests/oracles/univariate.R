# Univariate Cox models of univariate.csv by survival::coxph (Efron), as univariate.json.
# Run in this folder: Rscript univariate.R
library(survival)
library(jsonlite)

patients <- read.csv("univariate.csv")
controls <- list(
  default = coxph.control(),
  tight = coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)
)

normal_scores <- function(x) qnorm((rank(x, na.last = "keep") - 0.375) / (sum(!is.na(x)) + 0.25))
scalings <- list(
  per_unit = function(x) x,
  per_sd = function(x) normal_scores(x) / sd(normal_scores(x), na.rm = TRUE),
  median_split = function(x) as.numeric(x > median(x, na.rm = TRUE))
)

fit <- function(x, control) {
  model <- coxph(Surv(patients$time, patients$event) ~ x, ties = "efron", control = control)
  table <- summary(model)
  list(
    coefficient = table$coefficients[1, "coef"], standard_error = table$coefficients[1, "se(coef)"],
    p_value = table$coefficients[1, "Pr(>|z|)"], n = model$n, n_events = model$nevent,
    hazard_ratio = table$conf.int[1, "exp(coef)"],
    lower = table$conf.int[1, "lower .95"], upper = table$conf.int[1, "upper .95"]
  )
}

genes <- setdiff(names(patients), c("time", "event"))
fits <- lapply(controls, function(control) {
  lapply(scalings, function(scaling) {
    sapply(genes, function(gene) fit(scaling(patients[[gene]]), control), simplify = FALSE)
  })
})
# Breslow's ties, strata, and the other tests: per SD, tight.
strata_of <- (seq_len(nrow(patients)) - 1) %% 3
variants <- list(
  efron = list(ties = "efron", strata = rep(0, nrow(patients))),
  breslow = list(ties = "breslow", strata = rep(0, nrow(patients))),
  efron_strata = list(ties = "efron", strata = strata_of),
  breslow_strata = list(ties = "breslow", strata = strata_of)
)
tested <- function(x, variant) {
  stratum <- variant$strata
  model <- coxph(Surv(patients$time, patients$event) ~ x + strata(stratum), ties = variant$ties, control = controls$tight)
  table <- summary(model)
  # cox.zph refits with Efron's ties only; elsewhere there is no oracle for it.
  zph <- if (variant$ties == "efron") cox.zph(model, transform = "km", global = FALSE)$table["x", "p"] else NA
  list(
    coefficient = table$coefficients[1, "coef"], standard_error = table$coefficients[1, "se(coef)"],
    p_value = table$waldtest[["pvalue"]], p_score = table$sctest[["pvalue"]],
    p_likelihood_ratio = table$logtest[["pvalue"]], p_proportional_hazards = zph
  )
}
tests <- lapply(variants, function(variant) {
  sapply(genes, function(gene) tested(scalings$per_sd(patients[[gene]]), variant), simplify = FALSE)
})
benjamini_hochberg <- lapply(fits$tight, function(scaled) {
  as.list(setNames(p.adjust(sapply(scaled, `[[`, "p_value"), "BH"), genes))
})

write_json(
  list(
    versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
    fits = fits, tests = tests, benjamini_hochberg = benjamini_hochberg
  ),
  "univariate.json", auto_unbox = TRUE, digits = NA, pretty = TRUE
)
