"""`python -m farthing` is the command `farthing`."""

from farthing.main import main

main()
