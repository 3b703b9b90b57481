"""`python -m cantilena`."""

from cantilena.cli import main

main()
