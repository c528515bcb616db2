"""What should happen: Snapshot in, Plan out.

`cycle` is the recipe. `needs` says what claims ask of devices, `fit` which devices and nodes would do, `place` which
are taken, `release` what is taken back, `explain` why something waits, `audit` whether the books are right.
Never here: I/O, clocks, chance, logging. The same snapshot gives the same plan.
"""
