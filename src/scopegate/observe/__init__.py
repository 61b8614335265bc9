"""What happened: decision records, audit, log, metrics."""
