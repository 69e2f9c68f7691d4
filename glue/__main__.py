"""``python -m glue`` is the command line."""

from glue.cli import main

main()
