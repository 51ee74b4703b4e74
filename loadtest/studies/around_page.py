"""The page that does nothing, under what a web process does around an application: watching,
limits, counting."""

from __future__ import annotations

from loadtest.studies import plain_page
from pgstack.serving.watchdog import watched
from pgstack.wsgi import leave_access_log, settle

leave_access_log()
application = watched(plain_page.application)
settle()
