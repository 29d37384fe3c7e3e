"""How kept layers are told from an image: by the media type of their manifest's configuration."""

from typing import Final

BUILDKIT_LAYERS: Final = "application/vnd.buildkit.cacheconfig.v0"
"""BuildKit's own."""
KANIKO_LAYERS: Final = "application/vnd.slipway.kaniko.layers.v1+json"
"""Ours, of the layers that kaniko has kept (`builder/engine/kaniko_layers.py`)."""
LAYER_TYPES: Final = frozenset({BUILDKIT_LAYERS, KANIKO_LAYERS})
