"""The only room that speaks to Kubernetes: connection, watches, decoding, applying effects."""
