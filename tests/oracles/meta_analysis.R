# Random-effects meta-analyses of the genes of meta_analysis.csv (simulated) and of tissue_sources.csv (one log hazard
# ratio and standard error a gene and tissue-source site of two real cohorts), as meta_analysis.json.
# Run in this folder: Rscript meta_analysis.R
suppressPackageStartupMessages({
  library(metafor)
  library(jsonlite)
})

pooled <- function(estimates) {
  fit <- function(test) rma(
    yi = log_hazard_ratio, sei = standard_error, data = estimates, method = "REML", test = test,
    control = list(threshold = 1e-14, maxiter = 100000)
  )
  model <- fit("knha")
  # Knapp and Hartung's variance, held at no less than a common effect's.
  held <- fit("adhoc")
  prediction <- predict(model)
  held_prediction <- predict(held)
  # metafor looks no further than a variance of 100 unless told.
  between <- confint(model, control = list(tol = 1e-14, maxiter = 100000, tau2.max = 1e5))$random
  list(
    n_cohorts = model$k, log_hazard_ratio = unname(model$beta[1, 1]), standard_error = model$se,
    log_lower = model$ci.lb, log_upper = model$ci.ub, p_value = model$pval,
    log_prediction_lower = prediction$pi.lb, log_prediction_upper = prediction$pi.ub,
    held_standard_error = held$se, log_held_lower = held$ci.lb, log_held_upper = held$ci.ub, held_p_value = held$pval,
    log_held_prediction_lower = held_prediction$pi.lb, log_held_prediction_upper = held_prediction$pi.ub,
    prediction_degrees_of_freedom = prediction$pi.ddf,
    tau_squared = model$tau2, tau_squared_lower = between["tau^2", "ci.lb"], tau_squared_upper = between["tau^2", "ci.ub"],
    i_squared = model$I2 / 100, i_squared_lower = between["I^2(%)", "ci.lb"] / 100,
    i_squared_upper = between["I^2(%)", "ci.ub"] / 100, cochran_q = model$QE, p_heterogeneity = model$QEp,
    weights = unname(weights(model)) / 100
  )
}

simulated <- read.csv("meta_analysis.csv")
sites <- read.csv("tissue_sources.csv", colClasses = c(site = "character"))
versions <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")))
write_json(
  list(
    versions = versions,
    simulated = unname(lapply(split(simulated, simulated$gene), pooled)),
    tissue_sources = lapply(split(sites, sites$cancer_type), function(cohort) lapply(split(cohort, cohort$gene), pooled))
  ),
  "meta_analysis.json", auto_unbox = TRUE, digits = NA, pretty = TRUE
)
