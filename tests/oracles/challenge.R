# Harrell's concordance of the champion and the challenger of challenge.csv and their difference, as challenge.json: pairs
# within folds, and within folds and cohorts; of the patients themselves, and of each bootstrap sample as case weights.
# Run in this folder: Rscript challenge.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("challenge.csv")

figure <- function(predictors, weights, pooled) {
  by_repeat <- sapply(1:2, function(r) {
    data <- data.frame(
      time = patients$time, event = patients$event, predictor = patients[[predictors[r]]], weight = weights,
      within = if (pooled) paste(patients$cohort, patients[[paste0("fold_", r)]]) else patients[[paste0("fold_", r)]]
    )
    data <- data[data$weight > 0, ]
    concordance(Surv(time, event) ~ predictor + strata(within), data, weights = weight, reverse = TRUE)$concordance
  })
  mean(by_repeat)
}

figures <- function(pooled) {
  weights <- c(list(rep(1, nrow(patients))), lapply(grep("^s", names(patients), value = TRUE), function(s) patients[[s]]))
  champion <- sapply(weights, function(w) figure(c("champion", "champion"), w, pooled))
  challenger <- sapply(weights, function(w) figure(c("challenger_1", "challenger_2"), w, pooled))
  list(champion = champion, challenger = challenger, difference = challenger - champion)
}

write_json(
  list(
    versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
    within_folds = figures(FALSE), within_folds_and_cohorts = figures(TRUE)
  ),
  "challenge.json", digits = NA, auto_unbox = TRUE, pretty = TRUE
)
