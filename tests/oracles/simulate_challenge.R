# Write challenge.csv: 90 simulated patients (no real cohort's values) of two cohorts with the linear predictors of a
# champion that is locked and of a challenger in two repeats of three folds, and how often each stands in four bootstrap
# samples. Follow-up in whole months of 30 days, so that there are ties. Run in this folder: Rscript simulate_challenge.R
set.seed(20260321)
n <- 90
cohort <- rep(c("A", "B"), c(50, 40))
log_hazard <- rnorm(n)
death <- rexp(n, exp(log_hazard) / ifelse(cohort == "A", 900, 1600))
censored <- runif(n, 200, 2500)
fold <- function() ave(seq_len(n), cohort, FUN = function(i) sample(rep(1:3, length.out = length(i))))
samples <- replicate(4, rowsum(drop(rmultinom(1, n, rep(1, n))), seq_len(n)))
write.csv(
  data.frame(
    cohort, time = 30 * ceiling(pmin(death, censored) / 30), event = as.integer(death <= censored),
    champion = round(0.8 * log_hazard + 0.8 * rnorm(n), 1),
    challenger_1 = round(0.8 * log_hazard + 0.5 * rnorm(n), 1), challenger_2 = round(0.8 * log_hazard + 0.5 * rnorm(n), 1),
    fold_1 = fold(), fold_2 = fold(), s = matrix(samples, n)
  ),
  "challenge.csv", row.names = FALSE, quote = FALSE
)
