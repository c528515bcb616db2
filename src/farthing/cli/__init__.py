"""The command line: commands that people type, tables they read. No decisions."""
