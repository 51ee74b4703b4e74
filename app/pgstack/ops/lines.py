"""What PostgreSQL has against its files, as it is asked. Without a plan: tools ask with it, too."""

LINES = """
    SELECT CASE WHEN name IS NULL THEN sourcefile IS NULL
                ELSE name IN (SELECT name FROM pg_settings WHERE context = 'postmaster') END,
           format('%s line %s: %s', sourcefile, sourceline, error)
      FROM pg_file_settings WHERE error IS NOT NULL
    UNION ALL SELECT false, format('pg_hba.conf line %s: %s', line_number, error)
      FROM pg_hba_file_rules WHERE error IS NOT NULL
    UNION ALL SELECT false, format('pg_ident.conf line %s: %s', line_number, error)
      FROM pg_ident_file_mappings WHERE error IS NOT NULL"""
"""Whether a line only waits for a restart, and what the server has against it. A setting that is
gone, and that only a restart takes back, has no name there and no file."""
WAITING = f"SELECT count(*) FROM ({LINES}) AS lines (waits, words) WHERE waits"  # noqa: S608 - no input
WRONG = f"SELECT words FROM ({LINES}) AS lines (waits, words) WHERE NOT waits"  # noqa: S608 - no input
