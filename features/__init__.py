"""What goes in: patients, genes, outcomes. Knows no model."""
