"""Tables of claims, from a handful of rows to more than fit into memory."""
