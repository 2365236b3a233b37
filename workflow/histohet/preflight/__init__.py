"""Will this cohort run? What every slide is, what will become of it, what is wrong with sheets."""
