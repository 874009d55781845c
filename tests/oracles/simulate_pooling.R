# Write pooling.csv: 150 simulated patients (no real cohort's values) of three cancer types with different hazards, whose
# genes bear on survival alike; type B does not know ages, and type C has no gene g4. Follow-up once without ties and once
# in months of 30 days. Run in this folder: Rscript simulate_pooling.R
set.seed(19720615)
size <- c(A = 60, B = 50, C = 40)
type <- rep(names(size), size)
n <- length(type)
genes <- round(matrix(rnorm(4 * n), n, dimnames = list(NULL, paste0("g", 1:4))), 4)
age <- round(rnorm(n, 60, 12), 1)
log_hazard <- drop(genes %*% c(0.7, -0.4, 0.2, 0.3)) + 0.03 * (age - 60) + c(A = 0, B = 1, C = -1)[type]
death <- rexp(n, exp(log_hazard) / 1000)
censored <- runif(n, 60, 2500)
tie_free <- ceiling(pmin(death, censored))
for (each in names(size)) {
  while (anyDuplicated(tie_free[type == each])) {
    again <- which(type == each)[duplicated(tie_free[type == each])]
    tie_free[again] <- tie_free[again] + 1
  }
}
patients <- data.frame(type, tie_free, ties = 30 * ceiling(tie_free / 30), event = as.integer(death <= censored), age, genes)
patients$age[type == "B"] <- NA
patients$g4[type == "C"] <- NA
write.csv(patients, "pooling.csv", row.names = FALSE, quote = FALSE)
