"""Agreement of clusters with a known truth, a pathologist and expression clusters."""
