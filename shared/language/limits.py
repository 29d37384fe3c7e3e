"""How large a task may be. Chosen so that loading any text stays within 2 s and 256 MB."""

TEXT = 256 * 1024
"""Characters of a task file, a values file or an alias source. The longest of 205 public tasks has 12 000."""
RENDERED = 512 * 1024
"""Characters of a task after aliases or templates."""
NODES = 20_000
"""YAML nodes of a document, those repeated through anchors included."""
DEPTH = 100
"""How deep YAML may nest."""
VARIABLES = 50_000
"""Environment variables of all steps together, after those of the task were merged in."""
HINTS = 20
"""Unknown properties for which a near name is looked for."""
