# One Cox model a gene and tissue-source site of two TCGA cohorts, as tissue_sources.csv: per standard deviation of the
# site's normal scores, sites with at least 5 deaths. Only these aggregates are kept, no patient's value. Run in this
# folder, with a folder of the cohorts KIRC and LGG in cBioPortal's layout: Rscript tissue_sources.R FOLDER
suppressPackageStartupMessages(library(survival))
folder <- commandArgs(trailingOnly = TRUE)[1]
genes <- c("CCR1", "CD44", "CDH1", "CXCR4", "EPCAM", "ICAM1", "IL6ST", "ITGB1", "JAG1", "NOTCH1", "TGFBR2", "VCAM1")
tight <- coxph.control(eps = 1e-14, iter.max = 200, toler.chol = 1e-15)
blom <- function(values) qnorm((rank(values) - 3 / 8) / (length(values) + 1 / 4))

read_study <- function(name) {
  table <- function(file) {
    read.delim(file.path(folder, name, file), comment.char = "#", check.names = FALSE, quote = "")
  }
  clinical <- table("data_clinical_patient.txt")
  expression <- table("data_mrna_seq_v2_rsem_zscores_ref_all_samples.txt")
  values <- t(as.matrix(expression[match(genes, expression$Hugo_Symbol), -(1:2)]))
  colnames(values) <- genes
  patients <- sub("-01[A-Z]?$", "", rownames(values))
  stopifnot(!anyDuplicated(patients))
  rownames(values) <- patients
  clinical$time <- round(clinical$OS_MONTHS * 365.2425 / 12)
  clinical$event <- as.integer(substr(clinical$OS_STATUS, 1, 1))
  kept <- clinical[clinical$PATIENT_ID %in% patients & !is.na(clinical$event) & !is.na(clinical$time) & clinical$time > 0, ]
  data.frame(cancer_type = name, site = substr(kept$PATIENT_ID, 6, 7), kept[c("time", "event")], values[kept$PATIENT_ID, ])
}

fitted <- function(site, gene) {
  scores <- blom(site[[gene]])
  model <- coxph(Surv(time, event) ~ x, cbind(site[c("time", "event")], x = scores / sd(scores)), control = tight)
  data.frame(
    cancer_type = site$cancer_type[1], site = site$site[1], gene, patients = nrow(site), events = sum(site$event),
    log_hazard_ratio = signif(unname(coef(model)), 13), standard_error = signif(sqrt(vcov(model)[1, 1]), 13)
  )
}

estimates <- lapply(c("KIRC", "LGG"), function(name) {
  study <- read_study(name)
  sites <- Filter(function(site) sum(site$event) >= 5, split(study, study$site))
  do.call(rbind, lapply(sites, function(site) do.call(rbind, lapply(genes, fitted, site = site))))
})
write.csv(do.call(rbind, estimates), "tissue_sources.csv", row.names = FALSE, quote = FALSE)
