"""The demo: pages to put load on, and a ledger that proves that nothing is lost."""
