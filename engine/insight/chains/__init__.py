"""Two live chains on this machine: nodes, contracts, what is laid out on them, and a relayer between them."""
