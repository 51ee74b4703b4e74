"""Faults made on purpose on the local target, with a load that knows what it was promised."""
