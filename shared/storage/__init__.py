"""Tables, blobs and queues: the only room that knows the Azure storage SDKs.

Its errors are the tree of `shared.errors`: NotFound, Conflict (exists already), PreconditionFailed
(somebody else was first), Unavailable (storage does not answer).
"""

from shared.storage.account import Storage, open_storage
from shared.storage.blobs import Blobs, Permission
from shared.storage.queues import Queue
from shared.storage.tables import Change, Delete, Insert, Replace, Row, Table

__all__ = [
    "Blobs",
    "Change",
    "Delete",
    "Insert",
    "Permission",
    "Queue",
    "Replace",
    "Row",
    "Storage",
    "Table",
    "open_storage",
]
