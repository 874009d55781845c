# Write external.csv: 110 simulated patients of a reference cohort (set "reference": follow-up and one gene) and 90 new ones
# (set "new": also a linear predictor that is right, and one that points the wrong way). No real cohort's values; no two
# followed for the same time. Run in this folder: Rscript simulate_external.R
set.seed(20130306)
followed <- function(n, hazard) {
  death <- rexp(n, hazard)
  censored <- runif(n, 150, 2600)
  time <- ceiling(pmin(death, censored))
  while (anyDuplicated(time)) time[duplicated(time)] <- time[duplicated(time)] + 1
  data.frame(time = time, event = as.integer(death <= censored))
}
risk <- round(rnorm(90, 0.3, 0.9), 3)
reference <- cbind(set = "reference", followed(110, 1 / 1400), gene = round(rnorm(110, 5, 1.5), 3), right = NA, wrong = NA)
# Reads that were not found: a third of the reference's values is 0, and a tenth of the new ones'.
reference$gene[1:37] <- 0
new <- cbind(
  set = "new", followed(90, exp(0.7 * risk) / 1000), gene = round(rnorm(90, 6, 1.2), 3), right = risk,
  wrong = round(0.4 * rnorm(90) - 0.5 * risk, 3)
)
new$gene[1:9] <- 0
write.csv(rbind(reference, new), "external.csv", row.names = FALSE, quote = FALSE, na = "")
