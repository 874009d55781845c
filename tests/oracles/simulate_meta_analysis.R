# Write meta_analysis.csv: simulated log hazard ratios (no real cohort's values) of 40 genes in 2 to 12 cohorts, from none
# to much heterogeneity, with standard errors alike and very unlike. Run in this folder: Rscript simulate_meta_analysis.R
set.seed(19860907)
genes <- lapply(1:40, function(gene) {
  k <- c(2, 3, 4, 5, 8, 12)[gene %% 6 + 1]
  error <- exp(runif(k, log(0.1), log(c(0.15, 0.6, 2)[gene %% 3 + 1])))
  between <- c(0, 0.1, 0.4, 1.5)[gene %% 4 + 1]
  data.frame(gene, cohort = seq_len(k), log_hazard_ratio = round(0.2 + between * rnorm(k) + error * rnorm(k), 5),
             standard_error = round(error, 5))
})
# And one that agrees more closely than its standard errors explain: both limits of the variance are 0.
close <- data.frame(gene = 41, cohort = 1:6, log_hazard_ratio = 0.3 + c(-1, 0, 1, 2, -2, 1) / 1000, standard_error = 0.2)
write.csv(rbind(do.call(rbind, genes), close), "meta_analysis.csv", row.names = FALSE, quote = FALSE)
