"""User pools on the data plane."""
