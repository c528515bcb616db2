"""The same brain without Kubernetes: traces through the planner in virtual time.

`engine.run` is the way in, `results` what comes out, `policies` what the planner is compared with.
Never here: Kubernetes, and decisions of our own.
"""
