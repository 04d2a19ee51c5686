"""The audit of a table: what it can and cannot teach a router, before anything is trained."""
