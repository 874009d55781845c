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
benjamini_hochberg <- lapply(fits$tight, function(scaled) {
  as.list(setNames(p.adjust(sapply(scaled, `[[`, "p_value"), "BH"), genes))
})

write_json(
  list(
    versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
    fits = fits, benjamini_hochberg = benjamini_hochberg
  ),
  "univariate.json", auto_unbox = TRUE, digits = NA, pretty = TRUE
)
