"""kubelet's interfaces: upstream's protos as they are (k8s.io/kubelet), and the messages made from them.

`make stubs` copies the protos of the pinned release and generates the rest; a test looks for drift.
"""
