# Write cut_points.csv: 140 simulated patients (no real cohort's values), with follow-up once without ties and once in
# months of 30 days, and genes that are continuous, rounded, mostly zero, of three values, partly missing, and of no effect.
# Run in this folder: Rscript simulate_cut_points.R
set.seed(19920301)
n <- 140
continuous <- round(rnorm(n), 4)
death <- rexp(n, exp(0.9 * (continuous > 0.4)) / 1100)
censored <- runif(n, 100, 3000)
tie_free <- ceiling(pmin(death, censored))
while (anyDuplicated(tie_free)) tie_free[duplicated(tie_free)] <- tie_free[duplicated(tie_free)] + 1
genes <- data.frame(
  continuous,
  rounded = round(2 * (continuous + rnorm(n))) / 2,
  mostly_zero = round(pmax(0, continuous + rnorm(n) - 0.8), 3),
  three_values = findInterval(continuous + 2 * rnorm(n), c(-0.7, 1)),
  partly_missing = ifelse(runif(n) < 0.2, NA, round(continuous + rnorm(n), 1)),
  no_effect = round(rnorm(n), 4)
)
write.csv(
  data.frame(tie_free, ties = 30 * ceiling(tie_free / 30), event = as.integer(death <= censored), genes),
  "cut_points.csv", row.names = FALSE, quote = FALSE
)
