"""Runs by the clock: timers that wait for their next time, and the look at those whose time has come."""
