"""The door: every protocol is read, checked by the law and admitted or refused here; nothing is stored."""
