"""The REST APIs of git hosts: hooks made and removed, commit statuses, deliveries sent once more."""
