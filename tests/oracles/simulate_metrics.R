# Write metrics.csv: 90 simulated patients (no real cohort's values), 60 to train and 30 to test, with a linear predictor
# that is right about half of the time, and follow-up once without ties and once in months of 30 days.
# Run in this folder: Rscript simulate_metrics.R
set.seed(19840117)
n <- 90
covariates <- round(matrix(rnorm(4 * n), n, dimnames = list(NULL, paste0("x", 1:4))), 3)
log_hazard <- drop(covariates %*% c(0.8, -0.4, 0.2, 0))
linear_predictor <- round(0.6 * log_hazard + 0.5 * rnorm(n), 2)
death <- rexp(n, exp(log_hazard) / 1200)
censored <- runif(n, 60, 3000)
tie_free <- ceiling(pmin(death, censored))
while (anyDuplicated(tie_free)) tie_free[duplicated(tie_free)] <- tie_free[duplicated(tie_free)] + 1
write.csv(
  data.frame(
    set = rep(c("train", "test"), c(60, 30)), tie_free, ties = 30 * ceiling(tie_free / 30),
    event = as.integer(death <= censored), linear_predictor, covariates
  ),
  "metrics.csv", row.names = FALSE, quote = FALSE
)
