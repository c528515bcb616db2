"""The node driver: kubelet's DRA plugin, which turns a share into devices and limits of a container.

`devices` is the seam to the hardware (`simulated`, `nvidia`, `amd` are behind it), `share` reads what a claim was
given, `limits` says what a level of isolation means for a container, `prepare` does and undoes it, `publish` tells the
cluster what is here, `server` answers kubelet, `run` puts it together.
Never here: a choice of device or neighbours. The plan decides; the node does it, checks it, or refuses with a reason.
"""
