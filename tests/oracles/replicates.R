# The Cox model of replicates.csv on normal scores, its standard errors, and the log-log intervals that the delta method
# gives survival, as replicates.json. Run in this folder: Rscript replicates.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("replicates.csv")
genes <- c("CD44", "CXCR4", "ICAM1")
for (gene in genes) patients[[gene]] <- qnorm((rank(patients[[gene]]) - 0.375) / (nrow(patients) + 0.25))
model <- coxph(Surv(time, event) ~ CD44 + CXCR4 + ICAM1, patients, ties = "breslow")
shown <- c(1, 20, 77, 140, 199)
days <- c(365, 1096, 1826)
curves <- summary(survfit(model, newdata = patients[shown, genes], conf.type = "log-log"), times = days)
write_json(
  list(
    versions = list(R = as.character(getRversion()), survival = as.character(packageVersion("survival"))),
    genes = genes,
    coefficients = unname(coef(model)),
    standard_errors = unname(sqrt(diag(vcov(model)))),
    patients = shown - 1,
    days = days,
    survival = t(curves$surv), lower = t(curves$lower), upper = t(curves$upper)
  ),
  "replicates.json", auto_unbox = TRUE, digits = 12, pretty = TRUE
)
