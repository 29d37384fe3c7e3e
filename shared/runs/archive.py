"""Archived runs are kept beyond their retention."""

from shared.runs.context import Workshop
from shared.runs.model import Run


def archive(shop: Workshop, registry: str, run_id: str, *, is_archived: bool) -> Run:
    """Set whether a run is kept, and answer it. Raises NotFound."""

    def mark(run: Run) -> Run | None:
        if run.is_archived == is_archived:
            return None
        return run.model_copy(update={"is_archived": is_archived, "updated": shop.clock()})

    return shop.store.change(registry, run_id, mark) or shop.store.get(registry, run_id)
