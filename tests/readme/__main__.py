"""Writes the generated parts of both READMEs; `--picture` also makes the picture of a run anew,
with the embedded model."""

from __future__ import annotations

import sys

from tests.readme import picture
from tests.readme.tables import ROOT, replaced, sections

for language, name in (("en", "README.md"), ("es", "README.es.md")):
    file = ROOT / name
    file.write_text(
        replaced(file.read_text(encoding="utf-8"), sections(language)), encoding="utf-8"
    )
if "--picture" in sys.argv:
    picture.write()
