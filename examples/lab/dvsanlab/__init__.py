"""The dvsan lab: a station and its units as ordinary processes on loopback addresses."""
