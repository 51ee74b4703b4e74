"""The second answer: a database backend of our own that keeps connections in psycopg2's
ThreadedConnectionPool."""
