"""The demonstration on live chains, as far as no chain is needed."""
