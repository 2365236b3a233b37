"""The Potts model on the graph of tiles, its minimum and a bound of it."""
