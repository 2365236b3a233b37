"""Networks that look at all tiles of a patient, trained within the folds of fusion."""
