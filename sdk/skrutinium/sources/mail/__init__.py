"""Releases out of crisis mail: Maildir, mbox, ``.eml`` files and IMAP. Nothing in a mail is trusted but what is signed."""
