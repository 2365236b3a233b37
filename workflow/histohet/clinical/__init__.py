"""Clinical tables: their columns, endpoints and covariates, joined by patient."""
