"""What routers have in common: networks, ridge regression, neighbours, clusters. A router's own module is one up."""
