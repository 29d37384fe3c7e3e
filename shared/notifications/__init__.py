"""What others are told of runs: cloud events to webhooks and to Event Grid, again until they are taken."""
