# Firth's penalised Cox models of one covariate of firth.csv each, as firth.json: coxph's log-likelihood and information at
# given coefficients, maximised here. Run in this folder: Rscript firth.R
suppressPackageStartupMessages({
  library(survival)
  library(jsonlite)
})

patients <- read.csv("firth.csv")
covariates <- c("weak", "strong", "rising", "falling", "high", "skewed")

penalised_likelihood <- function(x, data, ties, stratified) {
  formula <- if (stratified) Surv(time, event) ~ x + strata(stratum) else Surv(time, event) ~ x
  data$x <- x
  function(coefficient) {
    # No step is taken: all is at the coefficient that is given. Little information is not taken for none.
  control <- coxph.control(iter.max = 0, toler.chol = 1e-30)
    model <- suppressWarnings(coxph(formula, data, ties = ties, init = coefficient, control = control))
    model$loglik[2] + log(1 / vcov(model)[1, 1]) / 2
  }
}

# By central differences of the eighth order: the maximum of a likelihood is flat, its derivative's root is not.
derivative <- function(f, step) {
  weights <- c(4 / 5, -1 / 5, 4 / 105, -1 / 280)
  function(b) sum(sapply(1:4, function(k) weights[k] * (f(b + k * step) - f(b - k * step)))) / step
}

firth <- function(name, version, ties, stratified) {
  data <- transform(patients, time = patients[[version]])
  x <- data[[name]]
  scale <- sd(x)
  f <- penalised_likelihood((x - mean(x)) / scale, data, ties, stratified)
  grid <- seq(-6, 6, by = 0.1)
  rough <- grid[which.max(sapply(grid, f))]
  best <- uniroot(derivative(f, 0.02), rough + c(-0.1, 0.1), tol = 1e-14, maxiter = 1000)$root
  below <- function(b) f(b) - f(best) + qchisq(0.95, 1) / 2
  limit <- function(interval) uniroot(below, sort(interval), tol = 1e-14, maxiter = 1000, extendInt = "no")$root
  list(
    covariate = name, version = version, ties = ties, stratified = stratified, coefficient = best / scale,
    lower = limit(c(best - 6, best)) / scale, upper = limit(c(best, best + 6)) / scale,
    p_value = pchisq(2 * (f(best) - f(0)), 1, lower.tail = FALSE)
  )
}

cases <- expand.grid(
  name = covariates, version = c("tie_free", "ties"), ties = c("efron", "breslow"), stratified = c(FALSE, TRUE),
  stringsAsFactors = FALSE
)
models <- lapply(seq_len(nrow(cases)), function(i) do.call(firth, as.list(cases[i, ])))
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(
  list(versions = versions, models = models), "firth.json", auto_unbox = TRUE, digits = NA, pretty = TRUE
)
