"""stackctl: what runs on a host is changed by it alone, so that no request is lost and nothing
lands half.

Ansible writes what is wanted below /etc/stack. stackctl tries it, puts it into force below
/etc/stack/live, and keeps what was there when the trial fails. Root runs it, with packages and code
of its own (docs/decisions/0011).
"""
