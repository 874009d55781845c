# Concordance, calibration, Brier ratios, recalibration, case mix and shift of the new patients in external.csv, whose risks
# come from a hazard of 0.0006 a day, as external.json. Run in this folder: Rscript external.R
suppressPackageStartupMessages({
  library(survival)
  library(riskRegression)
  library(jsonlite)
})

patients <- read.csv("external.csv")
reference <- subset(patients, set == "reference")
new <- subset(patients, set == "new")
daily <- 0.0006
last_month <- 60 # the model's own
day <- function(months) round(months * 365.2425 / 12)
horizon <- min(sort(new$time, decreasing = TRUE)[10], day(last_month))
horizons <- c(12, 36)
grid <- sort(unique(c(seq(horizon / 50, horizon, length.out = 50), day(horizons))))
tight <- coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)

mean_height <- function(heights) sum(diff(grid) * (head(heights, -1) + tail(heights, -1)) / 2) / diff(range(grid))

brier <- function(survival_by_grid) {
  score <- Score(
    list(predicted = 1 - survival_by_grid), Surv(time, event) ~ 1, data = new, times = grid, metrics = "brier",
    cens.model = "km", se.fit = FALSE, contrasts = FALSE, null.model = FALSE
  )$Brier$score
  mean_height(score$Brier[order(score$times)])
}

everybody <- function(data) {
  curve <- summary(survfit(Surv(time, event) ~ 1, data), times = grid, extend = TRUE)$surv
  matrix(curve, nrow(new), length(grid), byrow = TRUE)
}

shift <- function(expected, event) {
  unname(coef(glm(event ~ 1 + offset(log(expected)), family = poisson, control = glm.control(epsilon = 1e-14, maxit = 100))))
}

predicted_on <- function(predictor, on) exp(-daily * on * exp(predictor))

figures <- function(predictor) {
  data <- data.frame(time = new$time, event = new$event, predictor = predictor)
  cox <- coxph(Surv(time, event) ~ predictor, data, ties = "breslow", control = tight)
  score <- brier(exp(-daily * outer(exp(predictor), floor(grid))))
  within <- pmin(data$time, horizon)
  seen <- data$event * (data$time <= horizon)
  expected <- function(slope) daily * within * exp(slope * predictor)
  list(
    harrell = unname(concordance(Surv(time, event) ~ predictor, data, reverse = TRUE)$concordance),
    uno = unname(concordance(
      Surv(time, event) ~ predictor, data, reverse = TRUE, timewt = "n/G2", ymax = horizon - 0.5
    )$concordance),
    slope = unname(coef(cox)),
    log_observed_expected = sapply(horizons, function(months) {
      observed <- 1 - summary(survfit(Surv(time, event) ~ 1, data), times = day(months))$surv
      log(observed / mean(1 - predicted_on(predictor, day(months))))
    }),
    brier_ratio_to_reference = score / brier(everybody(reference)),
    brier_ratio_to_own = score / brier(everybody(new)),
    shift = shift(expected(1), seen),
    shift_with_slope = shift(expected(unname(coef(cox))), seen),
    model_based_concordance = mean(1 / (1 + exp(-dist(predictor))))
  )
}

stability <- function() {
  edges <- unique(quantile(reference$gene, 1:9 / 10, type = 1))
  counted <- function(values) as.vector(table(cut(values, c(-Inf, edges, Inf))))
  share <- function(counts) (counts + 0.5) / sum(counts + 0.5)
  expected <- counted(reference$gene)
  actual <- counted(new$gene)
  p <- share(expected)
  q <- share(actual)
  test <- suppressWarnings(ks.test(new$gene, reference$gene, exact = FALSE))
  list(
    expected = expected, actual = actual, psi = sum((q - p) * log(q / p)),
    by_chance = qchisq(0.95, length(expected) - 1) * (1 / nrow(reference) + 1 / nrow(new)),
    ks = unname(test$statistic), ks_p = test$p.value
  )
}

packages <- c("survival", "riskRegression")
versions <- c(R = R.version.string, sapply(packages, function(package) as.character(packageVersion(package))))
write_json(
  list(
    versions = as.list(versions), daily_hazard = daily, last_month = last_month, horizons_months = horizons,
    horizon_days = horizon, right = figures(new$right), wrong = figures(new$wrong), gene = stability()
  ),
  "external.json", auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"
)
