# Concordance, Breslow's baseline, Brier scores, Kaplan-Meier curves, calibration slopes and penalised Cox models of
# metrics.csv, as metrics.json. Run in this folder: Rscript metrics.R
suppressPackageStartupMessages({
  library(survival)
  library(riskRegression)
  library(glmnet)
  library(jsonlite)
})

patients <- read.csv("metrics.csv")
horizons <- c(365, 730, 1095)
grid <- seq(100, 1200, by = 50)
tau <- 1500.5 # no event falls on it
curve_days <- c(0, 100, 365, 500.5, 1000, 1500)

concordances <- function(data) {
  list(
    harrell = unname(concordance(Surv(time, event) ~ linear_predictor, data, reverse = TRUE)$concordance),
    # Weights 1/G(t-)^2 from the same patients; events after tau do not count.
    uno = unname(concordance(
      Surv(time, event) ~ linear_predictor, data, reverse = TRUE, timewt = "n/G2", ymax = tau
    )$concordance)
  )
}

breslow <- function(train) {
  model <- coxph(Surv(time, event) ~ offset(linear_predictor), train, ties = "breslow")
  # basehaz() would centre the offset: the hazard at linear predictor 0 is the sum of its own definition.
  baseline <- survfit(model, newdata = data.frame(linear_predictor = 0), censor = FALSE)
  list(days = baseline$time, cumulative_hazard = baseline$cumhaz)
}

survival_at <- function(baseline, linear_predictor, days) {
  hazard <- c(0, baseline$cumulative_hazard)[findInterval(days, baseline$days) + 1]
  exp(-outer(exp(linear_predictor), hazard))
}

brier <- function(train, test) {
  baseline <- breslow(train)
  at <- function(days) {
    risk <- 1 - survival_at(baseline, test$linear_predictor, days)
    scores <- Score(
      list(cox = risk), Surv(time, event) ~ 1, data = test, times = days, metrics = "brier", cens.model = "km",
      se.fit = FALSE, contrasts = FALSE, null.model = FALSE
    )$Brier$score
    scores$Brier[order(scores$times)]
  }
  on_grid <- at(grid)
  trapezoids <- sum(diff(grid) * (head(on_grid, -1) + tail(on_grid, -1)) / 2) / diff(range(grid))
  list(
    horizon_days = horizons, score = at(horizons), grid_days = grid, grid_score = on_grid, integrated = trapezoids,
    survival_at_horizons = survival_at(baseline, test$linear_predictor, horizons)
  )
}

curve <- function(data, conf_type) {
  fitted <- survfit(Surv(time, event) ~ 1, data, conf.type = conf_type)
  list(days = fitted$time, survival = fitted$surv, lower = fitted$lower, upper = fitted$upper, at_risk = fitted$n.risk)
}

kaplan_meier <- function(data) {
  fitted <- survfit(Surv(time, event) ~ 1, data)
  at_days <- summary(fitted, times = curve_days)
  list(
    log_log = curve(data, "log-log"), log = curve(data, "log"), at_days = curve_days, at_risk = at_days$n.risk,
    at_survival = at_days$surv, median_survival = unname(quantile(fitted, 0.5)$quantile),
    median_follow_up = unname(quantile(survfit(Surv(time, 1 - event) ~ 1, data), 0.5)$quantile)
  )
}

calibration_slope <- function(data) {
  sapply(c("efron", "breslow"), function(ties) {
    model <- coxph(Surv(time, event) ~ linear_predictor, data, ties = ties, control = coxph.control(eps = 1e-14, toler.chol = 1e-15))
    list(slope = unname(coef(model)), standard_error = sqrt(vcov(model)[1, 1]))
  }, simplify = FALSE)
}

penalised <- function(train) {
  covariates <- as.matrix(train[paste0("x", 1:4)])
  # glmnet 4.1 does not keep who is censored on the day of an event at risk on that day, as survival does; half a day later
  # says the same without that tie.
  outcome <- Surv(train$time + ifelse(train$event == 1, 0, 0.5), train$event)
  cases <- expand.grid(lambda = c(0.5, 0.1, 0.02), l1_ratio = c(0, 0.5, 1), factors = c("equal", "unequal"))
  factors <- list(equal = rep(1, 4), unequal = c(0.2, 1, 1.3, 1.5))
  # glmnet scales penalty.factor to a mean of 1; these have it already, so that lambda_j = lambda * factor_j.
  stopifnot(all.equal(unname(sapply(factors, mean)), c(1, 1)))
  lapply(seq_len(nrow(cases)), function(i) {
    case <- cases[i, ]
    path <- case$lambda * c(30, 10, 3, 1)
    model <- glmnet(
      covariates, outcome, family = "cox", alpha = case$l1_ratio, lambda = path,
      standardize = FALSE, thresh = 1e-14, maxit = 1e7, penalty.factor = factors[[as.character(case$factors)]]
    )
    list(
      penalty = case$lambda * factors[[as.character(case$factors)]], l1_ratio = case$l1_ratio,
      coefficients = unname(as.matrix(coef(model))[, 4])
    )
  })
}

results <- sapply(c("tie_free", "ties"), function(version) {
  data <- transform(patients, time = patients[[version]])
  train <- subset(data, set == "train")
  test <- subset(data, set == "test")
  list(
    concordance = list(train = concordances(train), test = concordances(test), tau_days = tau),
    breslow = breslow(train), brier = brier(train, test), kaplan_meier = kaplan_meier(train),
    calibration_slope = calibration_slope(test), penalised_cox = penalised(train)
  )
}, simplify = FALSE)

packages <- c("survival", "riskRegression", "glmnet")
versions <- c(R = R.version.string, sapply(packages, function(package) as.character(packageVersion(package))))
write_json(
  c(list(versions = as.list(versions)), results), "metrics.json",
  auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"
)
