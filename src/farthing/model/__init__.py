"""The nouns: quantities with units, asks, what a cluster holds, Reason, Observation, Effect, Plan, errors.

Frozen values with the standard library only. Never here: I/O, clocks, chance, opinions about what should happen.
Start with `cluster.py` (what we see), then `plan.py` (what we decide).
"""
