"""What heterogeneity adds to other predictors of survival."""
