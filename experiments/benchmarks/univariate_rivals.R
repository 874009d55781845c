# R's side of the race and of the agreement: Rscript univariate_rivals.R METHOD INPUT OUTPUT N_GENES
# INPUT: doubles n_patients, n_genes, time, event, then the genes one after another. OUTPUT: doubles, see each method.
# survival, and maxstat for the cut-offs, are Debian's r-cran-survival and r-cran-maxstat.
suppressMessages(library(survival))

arguments <- commandArgs(TRUE)
method <- arguments[1]
read <- file(arguments[2], "rb")
size <- readBin(read, "double", 2)
time <- readBin(read, "double", size[1])
event <- readBin(read, "double", size[1])
genes <- matrix(readBin(read, "double", size[1] * size[2]), size[1], size[2])
close(read)
chosen <- seq_len(min(as.integer(arguments[4]), ncol(genes)))
y <- Surv(time, event)
tight <- suppressWarnings(coxph.control(eps = 1e-14, iter.max = 200))

# Of each gene: coefficient, standard error, 1 where R warns that it may be infinite.
fitted <- function(gene, control) {
  warned <- 0
  model <- withCallingHandlers(
    coxph(y ~ genes[, gene], control = control),
    warning = function(w) { warned <<- 1; invokeRestart("muffleWarning") }
  )
  c(coef(model), sqrt(vcov(model)[1, 1]), warned)
}
bare <- function(gene) {
  coxph.fit(genes[, gene, drop = FALSE], y, NULL, NULL, NULL, coxph.control(), NULL, "efron", NULL)$coefficients
}
cut_off <- function(gene, p) {
  frame <- data.frame(time = time, event = event, gene = genes[, gene])
  found <- maxstat::maxstat.test(Surv(time, event) ~ gene, frame, smethod = "LogRank", pmethod = p, minprop = 0.1)
  c(found$statistic, found$estimate, found$p.value)
}
run <- switch(method,
  agreement = function(gene) fitted(gene, tight),
  coxph = function(gene) coef(coxph(y ~ genes[, gene])),
  coxph.fit = bare,
  maxstat92 = function(gene) cut_off(gene, "Lau92"),
  maxstat94 = function(gene) cut_off(gene, "Lau94")
)
# The first call of all loads what it needs.
invisible(run(1))
begun <- proc.time()
found <- sapply(chosen, run)
spent <- proc.time() - begun
writeBin(c(spent[["user.self"]] + spent[["sys.self"]], as.vector(found)), file(arguments[3], "wb"))
cat(R.version.string, "survival", as.character(packageVersion("survival")))
if (startsWith(method, "maxstat")) cat(" maxstat", as.character(packageVersion("maxstat")))
