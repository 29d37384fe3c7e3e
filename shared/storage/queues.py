"""Messages: always JSON in base64, as the Functions queue trigger and Event Grid read and write them."""

import json
from collections.abc import Mapping

from azure.storage.queue import QueueClient

from shared.storage._faults import storage_faults


class Queue:
    """One queue. A message is only ever a hint: whoever takes it reads the row it names."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        """Send a message that becomes visible after `delay_seconds`."""
        with storage_faults(f"A message for {self._client.queue_name}"):
            self._client.send_message(json.dumps(dict(message)), visibility_timeout=delay_seconds)
