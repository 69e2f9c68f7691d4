"""One customer's story, played through the front doors: pages, forms, API, command line, webhooks and the clock."""
