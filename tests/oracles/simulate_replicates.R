# Write replicates.csv: 200 simulated patients (no real cohort's values), three genes, whole days. Run in this folder:
# Rscript simulate_replicates.R
set.seed(20230317)
n <- 200
shared <- rnorm(n)
genes <- sapply(c(0.6, 0.5, 0.0), function(loading) round(loading * shared + sqrt(1 - loading^2) * rnorm(n), 6))
colnames(genes) <- c("CD44", "CXCR4", "ICAM1")
stopifnot(!anyDuplicated(genes[, 1]), !anyDuplicated(genes[, 2]), !anyDuplicated(genes[, 3]))
death <- rexp(n, exp(0.6 * genes[, 1] - 0.4 * genes[, 3]) / 1200)
censored <- runif(n, 200, 3000)
event <- as.integer(death <= censored)
write.csv(data.frame(genes, time = ceiling(pmin(death, censored)), event), "replicates.csv", row.names = FALSE)
