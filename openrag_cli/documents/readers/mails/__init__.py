"""Mail (RFC 5322) and messages of Outlook, in one form.

May import: the readers' base, HTML and calendars, and domain. Begin with `mail.py`.
"""
