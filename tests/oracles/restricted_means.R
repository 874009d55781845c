# Restricted mean survival times, with survfit's standard errors, of the two groups that each gene of cut_points.csv
# splits at its median, as restricted_means.json. Run in this folder: Rscript restricted_means.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("cut_points.csv")
genes <- setdiff(names(patients), c("tie_free", "ties", "event"))
restricted_to <- c(365, 900, 1500.5)

groups <- function(data, gene, days) {
  data <- data[!is.na(data[[gene]]), ]
  data$high <- as.integer(data[[gene]] > median(data[[gene]]))
  fitted <- summary(survfit(Surv(time, event) ~ high, data), rmean = days)$table
  list(
    gene = gene, restricted_to = days, mean_low = fitted["high=0", "rmean"], mean_high = fitted["high=1", "rmean"],
    error_low = fitted["high=0", "se(rmean)"], error_high = fitted["high=1", "se(rmean)"]
  )
}

results <- sapply(c("tie_free", "ties"), function(version) {
  data <- transform(patients, time = patients[[version]])
  do.call(c, lapply(restricted_to, function(days) lapply(genes, function(gene) groups(data, gene, days))))
}, simplify = FALSE)

versions <- c(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(
  c(list(versions = as.list(versions)), results), "restricted_means.json",
  auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"
)
