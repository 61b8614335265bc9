"""The AWS wire: service models, signatures, protocols, and the table of operations."""
