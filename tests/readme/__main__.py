"""Writes the generated parts of the documents.

`--examples` also runs the README's examples anew, `--picture` draws the picture of a run.
"""

from __future__ import annotations

import sys

from tests.readme import examples, picture
from tests.readme.documents import READMES, regenerate

regenerate()
if "--examples" in sys.argv:
    english = examples.written(READMES["en"].read_text(encoding="utf-8"))
    spanish = READMES["es"].read_text(encoding="utf-8")
    for old, new in zip(examples.blocks(spanish), examples.blocks(english), strict=True):
        spanish = spanish.replace(f"```console\n{old}```", f"```console\n{new}```")
    READMES["en"].write_text(english, encoding="utf-8")
    READMES["es"].write_text(spanish, encoding="utf-8")
if "--picture" in sys.argv:
    picture.write()
