"""Components shared by several routers: networks, ridge regression, neighbours, clusters."""
