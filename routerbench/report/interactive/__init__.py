"""Interactive plots of the HTML report, one module per kind."""
