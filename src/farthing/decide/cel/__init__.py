"""CEL as Kubernetes 1.37 speaks it in device selectors.

A library parses, expands macros and checks types (`check`); the evaluation is ours, because Kubernetes' is not the
library's: quantities and versions are types of their own, numbers of different types compare, what costs too much
stops, and what was looked at on a device is remembered. `evaluate` walks the `tree` over `values`; its `functions` have
`prices` and live in `operators`, `conversions`, `texts`, `lists`, `quantities` and `semver`; `sight` is the device.
Start with `evaluate.py`. Never here: I/O, clocks, opinions about devices.
"""
