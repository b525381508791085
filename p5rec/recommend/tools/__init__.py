"""Tools: functions that a language model or another program calls by name, over one catalogue."""
