"""The stand-in for kaniko as one program that also builds in the root of a confined builder."""

import zipfile
from pathlib import Path

_HERE = Path(__file__).parent
_SHEBANG = b"#!/kaniko/bin/python3\n"


def pack(program: Path) -> Path:
    """Write the program, which a confined builder's own Python runs, and return it."""
    with program.open("wb") as file:
        file.write(_SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(_HERE / "recording_executor.py", "__main__.py")
            archive.write(_HERE / "root_builds.py", "root_builds.py")
    program.chmod(0o755)
    return program
