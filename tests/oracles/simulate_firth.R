# Write firth.csv: 60 simulated patients (no real cohort's values) in two strata, follow-up once without ties and once in
# months of 30 days, and covariates of which some separate the outcome. Run in this folder: Rscript simulate_firth.R
set.seed(20010101)
n <- 60
stratum <- rep(c("a", "b"), c(35, 25))
weak <- round(rnorm(n), 3)
strong <- round(rnorm(n), 3)
death <- rexp(n, exp(0.9 * strong - 0.3 * (stratum == "b")) / 900)
censored <- runif(n, 60, 1200)
tie_free <- ceiling(pmin(death, censored))
while (anyDuplicated(tie_free)) tie_free[duplicated(tie_free)] <- tie_free[duplicated(tie_free)] + 1
ties <- 30 * ceiling(tie_free / 30)
event <- as.integer(death <= censored)
# Whoever dies in the first months has the most, in the next ones less, all others nothing: every event has the largest
# value of its risk set. And the reverse.
months <- sort(unique(ties[event == 1]))
rising <- event * ((ties <= months[2]) + (ties <= months[6]))
falling <- -event * (ties <= months[9]) / 2
# A split of which no death is on the upper side.
high <- as.integer(event == 0 & seq_len(n) %% 3 == 0)
skewed <- round(exp(3 * rnorm(n)), 3)
write.csv(
  data.frame(stratum, tie_free, ties, event, weak, strong, rising, falling, high, skewed),
  "firth.csv", row.names = FALSE, quote = FALSE
)
