"""The embedded fleet: real Kubernetes on one machine, for trying things out and for tests.

`binaries` finds or builds the programs, `controlplane` starts and stops them, `fleet` describes simulated nodes and
GPUs, `publish` puts them into a cluster, `machine` does all of it for `farthing up`.
Never here: an imitation of Kubernetes. What is simulated (nodes, GPUs) says so.
"""
