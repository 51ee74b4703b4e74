"""What services, units and logs call the project's own commands. Standard library only, as
pgstack.planning.services."""

PREFIX = "worker-"
"""before the name of a worker where services have theirs"""
SCHEDULED = "schedule-"
"""before the name of an entry where units and logs have theirs"""
KILL_SECONDS = 10
"""that a run has between SIGTERM, when its time is over, and SIGKILL"""
