"""HTTP/1.1 at the rim: sockets ↔ messages, every limit of the wire, forms and paths. No decision is taken here."""
