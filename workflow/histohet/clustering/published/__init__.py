"""The published clustering (HETMAP), its defects mended: cosines, annealing, BIC of Gaussians."""
