# Time-dependent AUC, calibration, Royston and Sauerbrei's D and net benefit of judging.csv, as judging.json: once for the
# cohort itself, once for the bootstrap sample in its column `count`. Run in this folder: Rscript judging.R
suppressPackageStartupMessages({
  library(survival)
  library(riskRegression)
  library(Hmisc)
  library(jsonlite)
})

patients <- read.csv("judging.csv")
day <- 730
auc_days <- c(360, 730, 1095)
thresholds <- c(0, 0.1, 0.3, 0.5, 0.7, 0.9)
tight <- coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)
outcome <- Surv(time, event) ~ 1

auc <- function(data) {
  # Any increasing function of the predictor will do as a risk.
  score <- Score(
    list(predictor = plogis(data$predictor)), outcome, data = data, times = auc_days, metrics = "auc", cens.model = "km",
    se.fit = FALSE, contrasts = FALSE, null.model = FALSE
  )$AUC$score
  score$AUC[order(score$times)]
}

survival_by <- function(data) {
  if (!nrow(data)) return(1)
  summary(survfit(outcome, data), times = day, extend = TRUE)$surv
}

slope <- function(data) {
  # Once with weights, and once with the rows written out.
  weighted <- coxph(
    Surv(time, event) ~ predictor, data$once, weights = count, subset = count > 0, ties = "breslow", control = tight
  )
  copies <- coxph(Surv(time, event) ~ predictor, data$copies, ties = "breslow", control = tight)
  stopifnot(all.equal(coef(weighted), coef(copies), tolerance = 1e-9))
  unname(coef(weighted))
}

smoothed <- function(data) {
  risk <- 1 - data$survival
  x <- log(-log(1 - risk))
  basis <- rcspline.eval(x, knots = quantile(x, c(0.1, 0.5, 0.9)), inclx = TRUE)
  data <- data.frame(time = data$time, event = data$event, line = basis[, 1], curve = basis[, 2])
  model <- coxph(Surv(time, event) ~ line + curve, data, ties = "breslow", control = tight)
  observed <- 1 - drop(summary(survfit(model, newdata = data, se.fit = FALSE), times = day)$surv)
  distance <- abs(observed - risk)
  list(ici = mean(distance), e50 = unname(quantile(distance, 0.5)), e90 = unname(quantile(distance, 0.9)))
}

d_calibration <- function(data) {
  edges <- seq(0, 10) / 10
  bins <- numeric(10)
  for (i in seq_len(nrow(data))) {
    own <- data$own[i]
    bin <- findInterval(own, edges, rightmost.closed = TRUE)
    if (data$event[i]) {
      bins[bin] <- bins[bin] + 1
    } else {
      bins[bin] <- bins[bin] + (own - edges[bin]) / own
      for (below in seq_len(bin - 1)) bins[below] <- bins[below] + 0.1 / own
    }
  }
  test <- suppressWarnings(chisq.test(bins))
  list(bins = bins, statistic = unname(test$statistic), p_value = test$p.value)
}

separation <- function(data) {
  scores <- qnorm((seq_len(nrow(data)) - 3 / 8) / (nrow(data) + 1 / 4))
  ordered <- order(data$predictor)
  scores[ordered] <- ave(scores, data$predictor[ordered])
  model <- coxph(Surv(data$time, data$event) ~ scores, ties = "breslow", control = tight)
  unname(coef(model)) * sqrt(8 / pi)
}

# R's own: with Efron's ties, so it is the same only without them.
royston_of <- function(data) {
  model <- coxph(Surv(time, event) ~ predictor, data)
  stopifnot(coef(model) > 0)
  as.list(royston(model)[c("D", "R.D")])
}

net_benefit <- function(data, treated) {
  share <- mean(treated)
  survival <- survival_by(data[treated, ])
  function(threshold) share * (1 - survival) - share * survival * threshold / (1 - threshold)
}

figures <- function(once, count) {
  copies <- once[rep(seq_len(nrow(once)), count), ]
  list(
    survival = survival_by(copies), slope = slope(list(once = cbind(once, count = count), copies = copies)),
    log_observed_expected = log((1 - survival_by(copies)) / mean(1 - copies$survival)),
    smoothed_error = smoothed(copies), d_calibration = d_calibration(copies), separation = separation(copies),
    treat_all = sapply(thresholds, function(p) net_benefit(copies, rep(TRUE, nrow(copies)))(p)),
    net_benefit = sapply(thresholds, function(p) net_benefit(copies, 1 - copies$survival >= p)(p))
  )
}

results <- sapply(c("tie_free", "ties"), function(version) {
  sapply(c("fine", "coarse"), function(predictor) {
    data <- with(patients, data.frame(
      time = patients[[version]], event = event, predictor = patients[[predictor]],
      survival = patients[[paste0("survival_", predictor)]], own = patients[[paste0("own_", predictor)]]
    ))
    list(
      auc = auc(data), royston = royston_of(data), cohort = figures(data, rep(1, nrow(data))),
      sample = figures(data, patients$count)
    )
  }, simplify = FALSE)
}, simplify = FALSE)

packages <- c("survival", "riskRegression", "Hmisc")
versions <- c(R = R.version.string, sapply(packages, function(package) as.character(packageVersion(package))))
write_json(
  c(list(versions = as.list(versions), day = day, auc_days = auc_days, thresholds = thresholds), results), "judging.json",
  auto_unbox = TRUE, digits = NA, pretty = TRUE, na = "null"
)
