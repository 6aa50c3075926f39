"""Memory in a Qdrant server, or in qdrant-client's own local mode where Qdrant's engine has no wheel."""

from __future__ import annotations
