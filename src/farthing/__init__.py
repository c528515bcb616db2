"""Farthing: the GPUs of many Kubernetes clusters as one shared, fractional, governed pool.

Start reading in `model` (the nouns), then `decide` (what should happen), then `spoke` (the loop that does it).
Imports point down only; `pyproject.toml` holds the rule and `make lint` checks it.
"""
