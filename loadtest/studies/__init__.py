"""Single measurements that stand behind a sentence of the documentation."""
