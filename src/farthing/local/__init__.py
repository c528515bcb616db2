"""The embedded fleet: builds or downloads real control planes, starts and stops them, simulates nodes."""
