"""Portal: pages for customers and operators. May import anything in glue; glue never imports portal."""
