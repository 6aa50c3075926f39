"""The page: what the endpoint tells programs, for people who would rather look than read. NiceGUI
is imported only here."""
