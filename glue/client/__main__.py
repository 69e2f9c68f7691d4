"""``python -m glue.client`` is ``coditect``."""

from glue.client.command import main

main()
