"""The loop of one cluster: read, decide, apply; leader election, events, metrics, audit."""
