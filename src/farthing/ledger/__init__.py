"""What was used and owed: intervals, prices, rating, double entry, idle, budgets, FOCUS rows.

Pure: the same batches and prices give the same books, in whatever order they come. Money is integer micro-units of one
currency, time integer seconds since 1970, always UTC. Never here: SQL, files, clocks.
Start with `interval.py` (what was used), then `rate.py` (what it costs), then `entry.py` (what is written down).
"""
