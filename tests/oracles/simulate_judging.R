# Write judging.csv: 70 simulated patients (no real cohort's values) with a fine and a coarse linear predictor, predicted
# survival at 2 years and at the patient's own time, follow-up once without ties and once in months of 30 days, and how
# often each stands in a bootstrap sample. Run in this folder: Rscript simulate_judging.R
set.seed(20040229)
n <- 70
log_hazard <- rnorm(n)
fine <- round(0.7 * log_hazard + 0.5 * rnorm(n), 3)
while (anyDuplicated(fine)) fine[duplicated(fine)] <- fine[duplicated(fine)] + 0.001
coarse <- round(fine)
death <- rexp(n, exp(log_hazard) / 1300)
censored <- runif(n, 200, 2500)
tie_free <- ceiling(pmin(death, censored))
while (anyDuplicated(tie_free)) tie_free[duplicated(tie_free)] <- tie_free[duplicated(tie_free)] + 1
predicted <- function(linear_predictor, days) round(exp(-0.7 * days / 1000 * exp(linear_predictor)), 4)
write.csv(
  data.frame(
    tie_free, ties = 30 * ceiling(tie_free / 30), event = as.integer(death <= censored), count = rmultinom(1, n, rep(1, n)),
    fine, coarse, survival_fine = predicted(fine, 730), survival_coarse = predicted(coarse, 730),
    own_fine = predicted(fine, tie_free), own_coarse = predicted(coarse, tie_free)
  ),
  "judging.csv", row.names = FALSE, quote = FALSE
)
