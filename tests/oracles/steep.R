# Univariate Cox models of steep.csv by survival::coxph (Efron, and Breslow), as steep.json.
# Run in this folder: Rscript steep.R
library(survival)
library(jsonlite)

patients <- read.csv("steep.csv")
tight <- coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)
# R gives no coefficient where the first to die lies far out on the bad side. At its death it takes all of the hazard
# whatever the coefficient, and then it is gone: coefficient and standard error are those of the others.
fit <- function(gene, ties) {
  rows <- if (gene == "doomed") patients$time > min(patients$time) else patients$time > 0
  x <- patients[[gene]][rows]
  model <- coxph(Surv(patients$time[rows], patients$event[rows]) ~ x, ties = ties, control = tight)
  table <- summary(model)
  list(
    coefficient = table$coefficients[1, "coef"], standard_error = table$coefficients[1, "se(coef)"],
    p_likelihood_ratio = table$logtest[["pvalue"]],
    p_proportional_hazards = cox.zph(model, transform = "km")$table[1, "p"]
  )
}
genes <- setdiff(names(patients), c("time", "event"))
models <- lapply(c(efron = "efron", breslow = "breslow"), function(ties) sapply(genes, fit, ties = ties, simplify = FALSE))
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(list(versions = versions, models = models), "steep.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
