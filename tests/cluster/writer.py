"""Writes into one member, or into whichever takes writes, over and over, and says what was
acknowledged, until its input ends. Runs on a host of the cluster; standard library and psycopg2.

`CONNECT` is what connects: a member's administrator through its own socket, or Django's `direct`.
"""

import json
import os
import sys
import threading
import time

import psycopg2

PAUSE_SECONDS = 0.1
ROW = (
    "INSERT INTO drill_write (writer, number) VALUES (%s, %s) RETURNING "
    "coalesce(host(inet_server_addr()), ''), substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"
)


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def write(writer, connect):
    """A row, and a line of when and where it was acknowledged; what fails is of no interest."""
    number, connection = 0, None
    while True:
        number += 1
        began = time.monotonic()
        try:
            if connection is None:
                connection = connect()
                connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(ROW, (writer, number))
                server, timeline = cursor.fetchone()
        except psycopg2.Error:
            if connection is not None:
                connection.close()
                connection = None
        else:
            # A commit whose wait for the standby was cancelled is on one host.
            alone = any("may not have been replicated" in said for said in connection.notices)
            connection.notices.clear()
            told = [writer, number, server, timeline, began, time.monotonic(), alone]
            print(json.dumps(told), flush=True)
        time.sleep(PAUSE_SECONDS)


threading.Thread(target=end_with_input, daemon=True).start()
