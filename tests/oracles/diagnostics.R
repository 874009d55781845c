# The proportional-hazards test and the influence of single patients for Cox models of metrics.csv by survival (Efron),
# as diagnostics.json. Run in this folder: Rscript diagnostics.R
library(survival)
library(jsonlite)

patients <- read.csv("metrics.csv")
tight <- coxph.control(eps = 1e-14, iter.max = 100, toler.chol = 1e-15)
models <- list(
  one = time ~ linear_predictor,
  several = time ~ linear_predictor + x1 + x2 + x3
)

diagnose <- function(data, covariates) {
  model <- coxph(reformulate(covariates, "Surv(time, event)"), data, ties = "efron", control = tight)
  test <- cox.zph(model, transform = "km")$table
  score <- as.matrix(residuals(model, "score"))
  list(
    covariates = I(covariates), coefficients = I(unname(coef(model))), covariance = I(unname(vcov(model))),
    tests = rownames(test), chi_square = unname(test[, "chisq"]), degrees_of_freedom = unname(test[, "df"]),
    p_value = unname(test[, "p"]),
    dfbeta = unname(as.matrix(residuals(model, "dfbeta"))), dfbetas = unname(as.matrix(residuals(model, "dfbetas"))),
    # The quadratic approximation of 2 (l(b) - l(b without the patient)).
    likelihood_displacement = unname(rowSums((score %*% vcov(model)) * score))
  )
}

results <- sapply(c("tie_free", "ties"), function(version) {
  data <- transform(patients, time = patients[[version]])
  lapply(models, function(model) diagnose(data, all.vars(model)[-1]))
}, simplify = FALSE)

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
write_json(c(list(versions = versions), results), "diagnostics.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
