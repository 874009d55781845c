# Cox models of univariate.csv's genes (normal scores per SD) beside two covariates, and restricted cubic splines.
# Run in this folder: Rscript adjusted.R
suppressMessages({library(survival); library(rms); library(jsonlite)})

patients <- read.csv("univariate.csv")
tight <- coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)
normal_scores <- function(x) qnorm((rank(x, na.last = "keep") - 0.375) / (sum(!is.na(x)) + 0.25))
per_sd <- function(x) normal_scores(x) / sd(normal_scores(x), na.rm = TRUE)
genes <- setdiff(names(patients), c("time", "event"))

# Made up from the rows' numbers; every eleventh patient lacks the first.
row <- seq_len(nrow(patients)) - 1
age <- ifelse(row %% 11 == 10, NA, 50 + (7 * row) %% 31)
group <- as.numeric(row %% 5 < 2)
stratum <- row %% 3
y <- Surv(patients$time, patients$event)

adjusted <- function(gene) {
  x <- per_sd(patients[[gene]])
  complete <- !is.na(x) & !is.na(age)
  model <- coxph(y ~ x + age + group + strata(stratum), subset = complete, control = tight)
  others <- coxph(y ~ age + group + strata(stratum), subset = complete, control = tight)
  table <- summary(model)$coefficients
  list(
    coefficient = table["x", "coef"], standard_error = table["x", "se(coef)"], p_value = table["x", "Pr(>|z|)"],
    p_likelihood_ratio = pchisq(2 * (model$loglik[2] - others$loglik[2]), 1, lower.tail = FALSE),
    n = model$n, n_events = model$nevent
  )
}
curved <- function(gene) {
  x <- per_sd(patients[[gene]])
  complete <- !is.na(x)
  knots <- quantile(x[complete], c(0.05, 0.35, 0.65, 0.95))
  basis <- matrix(NA, length(x), 3)
  basis[complete, ] <- rcspline.eval(x[complete], knots = knots, inclx = TRUE)
  straight <- coxph(y ~ x, control = tight)
  bent <- coxph(y ~ basis, control = tight)
  pchisq(2 * (bent$loglik[2] - straight$loglik[2]), 2, lower.tail = FALSE)
}
write_json(
  list(
    versions = list(
      R = R.version.string, survival = as.character(packageVersion("survival")), rms = as.character(packageVersion("rms"))
    ),
    adjusted = sapply(genes, adjusted, simplify = FALSE), p_nonlinearity = sapply(genes, curved, simplify = FALSE)
  ),
  "adjusted.json", auto_unbox = TRUE, digits = NA, pretty = TRUE
)
