"""The format ``skrutinium`` 1.0: every kind of contest, schema ``xsd/skrutinium/1.0/skrutinium.xsd``."""
