"""Settings: the one place that reads the environment and the configuration files.

May import: errors, domain, limits, fsync. Begin with `settings.py`: one row for each setting.
"""
