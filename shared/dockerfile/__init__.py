"""Dockerfiles: the language as BuildKit reads it, and the images that a build of one needs."""

from shared.dockerfile.bases import Bases, BuiltStage, built_stages, merged, pin, renamed, resolve
from shared.dockerfile.graph import BaseImage
from shared.dockerfile.model import Dockerfile, Instruction, Stage
from shared.dockerfile.parser import parse

__all__ = [
    "BaseImage",
    "Bases",
    "BuiltStage",
    "Dockerfile",
    "Instruction",
    "Stage",
    "built_stages",
    "merged",
    "parse",
    "pin",
    "renamed",
    "resolve",
]
