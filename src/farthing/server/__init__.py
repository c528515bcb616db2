"""What Farthing serves over HTTP: the cost API, OpenCost's view of it, and the ledger's metrics. It only reads.

Routes ask `farthing.store` and make answers of it; who may see what is decided in `access.py` alone, by asking
Kubernetes. Never here: SQL, prices, arithmetic on money other than adding it up. Start with `app.py`.
"""
