"""The demonstration: a real daemon, services of other people's making, a crash, and a verdict on what happened."""
