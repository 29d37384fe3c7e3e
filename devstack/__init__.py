"""Azure on one machine: everything Slipway needs around it, started and stopped as one."""
