"""What people and public traces write down: fleets and lists of pods, read strictly.

Errors name the file, the line and the field, and say what was expected. Never here: what to do with it.
"""
