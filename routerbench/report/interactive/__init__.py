"""Interactive pictures of the HTML report, one module per kind."""
