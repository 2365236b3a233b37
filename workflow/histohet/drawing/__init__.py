"""Pictures of slides and figures of the cohort."""
