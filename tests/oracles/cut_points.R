# Maximally selected log-rank statistics of cut_points.csv with their corrected and permutation p-values, as
# cut_points.json. Run in this folder: Rscript cut_points.R
suppressPackageStartupMessages({
  suppressWarnings(library(maxstat))
  library(survival)
  library(jsonlite)
})

patients <- read.csv("cut_points.csv")
genes <- setdiff(names(patients), c("tie_free", "ties", "event"))
permutations <- 1e5

best_cut <- function(data, gene, share, pmethod, ...) {
  # The two outermost cuts' shares as R's users write them: .1 and .9.
  maxstat.test(
    as.formula(paste("Surv(time, event) ~", gene)), data, smethod = "LogRank", pmethod = pmethod, minprop = share,
    maxprop = 1 - share, ...
  )
}

case <- function(data, gene, share) {
  first <- best_cut(data, gene, share, "Lau92")
  list(
    gene = gene, statistic = unname(first$statistic), cut_point = unname(first$estimate), p_1992 = unname(first$p.value),
    p_1994 = unname(best_cut(data, gene, share, "Lau94")$p.value), n_cuts = length(first$cuts)
  )
}

permuted <- function(data, gene) {
  set.seed(1)
  list(gene = gene, p = best_cut(data, gene, 0.1, "condMC", B = permutations)$p.value)
}

results <- sapply(c("tie_free", "ties"), function(version) {
  data <- transform(patients, time = patients[[version]])
  list(
    share_10 = lapply(genes, function(gene) case(data, gene, 0.1)),
    share_25 = lapply(genes, function(gene) case(data, gene, 0.25)),
    # 23 patients: 10 % and 90 % of them are no whole numbers.
    first_23 = lapply(setdiff(genes, "three_values"), function(gene) case(data[1:23, ], gene, 0.1)),
    permutation = lapply(genes, function(gene) permuted(data, gene))
  )
}, simplify = FALSE)

packages <- c("maxstat", "exactRankTests", "survival")
versions <- c(R = R.version.string, sapply(packages, function(package) as.character(packageVersion(package))))
write_json(
  c(list(versions = as.list(versions), permutations = permutations), results), "cut_points.json",
  auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"
)
