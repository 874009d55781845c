# Cox models stratified by the cohorts ("types") of pooling.csv, their baselines, and concordance within them, as
# stratified.json. Run in this folder: Rscript stratified.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("pooling.csv")
tight <- coxph.control(eps = 1e-14, iter.max = 200, outer.max = 100, toler.chol = 1e-15)
# Predictions to be judged, whatever made them.
predictor <- with(patients, 0.5 * g1 - 0.25 * g2)

results <- lapply(c(tie_free = "tie_free", ties = "ties"), function(version) {
  data <- data.frame(patients[c("type", "event", "g1", "g2", "g3")], time = patients[[version]], predictor)
  ridge <- lapply(c(weak = 0.05, strong = 0.5), function(penalty) {
    # survival's ridge() takes theta / 2 times the sum of squares from the log-likelihood.
    model <- coxph(
      Surv(time, event) ~ ridge(g1, g2, g3, theta = nrow(data) * penalty, scale = FALSE) + strata(type),
      data, ties = "breslow", control = tight
    )
    unname(coef(model))
  })
  slope <- coxph(Surv(time, event) ~ predictor + strata(type), data, ties = "breslow", control = tight)
  at_slope <- coxph(
    Surv(time, event) ~ offset(coef(slope) * predictor) + strata(type), data, ties = "breslow", control = tight
  )
  hazard <- basehaz(at_slope, centered = FALSE)
  # basehaz() gives the hazard at the offset's mean, asked for centred or not.
  at_zero <- exp(-mean(coef(slope) * predictor))
  steps <- lapply(split(hazard, hazard$strata), function(each) {
    list(days = each$time, hazard = each$hazard * at_zero)
  })
  pairs <- concordance(Surv(time, event) ~ predictor + strata(type), data, reverse = TRUE)
  list(
    ridge = ridge,
    slope = unname(coef(slope)),
    baselines = steps,
    concordance = unname(pairs$concordance)
  )
})
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(c(list(versions = versions), results), "stratified.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
