# A ridge Cox model stratified by cancer type of pooling.csv, as pooling.json. Run in this folder: Rscript pooling.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("pooling.csv")
genes <- paste0("g", 1:4)
cases <- list(list(penalty = 0.05, clinical_penalty = 0.001), list(penalty = 0.5, clinical_penalty = 0.02))
tight <- coxph.control(eps = 1e-14, iter.max = 200, outer.max = 100, toler.chol = 1e-15)

# Within each type: Blom's normal scores of genes, ages to mean 0 and SD 1 (divided by n); what a type has not is 0.
blom <- function(values) qnorm((rank(values) - 3 / 8) / (length(values) + 1 / 4))
standardised <- function(values) (values - mean(values)) / sqrt(mean((values - mean(values))^2))
within <- function(name, f) {
  ave(patients[[name]], patients$type, FUN = function(values) if (anyNA(values)) 0 * seq_along(values) else f(values))
}
covariates <- cbind(sapply(genes, within, blom), age = within("age", standardised))

fitted <- function(version, types, case) {
  kept <- patients$type %in% types
  data <- data.frame(covariates, patients[c("type", "event")], time = patients[[version]])[kept, ]
  # survival's ridge() takes theta / 2 times the sum of squares from the log-likelihood.
  model <- coxph(
    Surv(time, event) ~ ridge(g1, g2, g3, g4, theta = sum(kept) * case$penalty, scale = FALSE) +
      ridge(age, theta = sum(kept) * case$clinical_penalty, scale = FALSE) + strata(type),
    data, ties = "breslow", control = tight
  )
  as.list(setNames(unname(coef(model)), c(genes, "age")))
}

results <- lapply(c(tie_free = "tie_free", ties = "ties"), function(version) {
  lapply(cases, function(case) {
    c(case, list(all = fitted(version, c("A", "B", "C"), case), A = fitted(version, "A", case)))
  })
})
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(c(list(versions = versions), results), "pooling.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
