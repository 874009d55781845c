# Write steep.csv: 90 simulated patients with tied months, and genes of which one patient lies so far out that hazards
# at the maximum span hundreds of powers of ten. Run in this folder: Rscript simulate_steep.R
set.seed(20261123)
n <- 90
plain <- round(rnorm(n), 3)
death <- rexp(n, exp(-0.8 * plain) / 900)
censored <- runif(n, 100, 2500)
time <- 30 * ceiling(pmin(death, censored) / 30)
event <- as.integer(death <= censored)
# Nobody dies of it: the longest followed patient, censored, has a value that protects beyond measure.
time[1] <- 3000
event[1] <- 0
protected <- plain
protected[1] <- 4000
# The first to die has a value that kills beyond measure; high is worse in the others, too.
first <- which.min(ifelse(event == 1, time, Inf))
time[first] <- 15
doomed <- -plain
doomed[first] <- 2500
write.csv(data.frame(time, event, protected, doomed), "steep.csv", row.names = FALSE, quote = FALSE)
