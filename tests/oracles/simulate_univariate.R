# Write univariate.csv: 80 simulated patients (no real cohort's values), months-long ties, five genes, one with missing
# values. Run in this folder: Rscript simulate_univariate.R
set.seed(20230404)
n <- 80
CD44 <- round(rnorm(n), 3)
NOTCH1 <- round(0.3 * CD44 + exp(1.5 * rnorm(n)), 3)
EPCAM <- sample(0:4, n, replace = TRUE)
ICAM1 <- round(rnorm(n, 8, 2), 3)
VCAM1 <- round(-0.4 * CD44 + rnorm(n), 3)
VCAM1[sample(n, 9)] <- NA
death <- rexp(n, exp(0.7 * CD44 - 0.25 * EPCAM + 0.1 * NOTCH1) / 900)
censored <- runif(n, 100, 2500)
time <- 30 * ceiling(pmin(death, censored) / 30)
write.csv(
  data.frame(time = time, event = as.integer(death <= censored), CD44, NOTCH1, EPCAM, ICAM1, VCAM1),
  "univariate.csv", row.names = FALSE, quote = FALSE
)
