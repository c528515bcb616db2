"""Measurements on the real control plane: `make bench`. Everything is a ratio or a distribution of one run."""
