"""Section `slide_embeddings` of the configuration."""

from __future__ import annotations

from typing import Literal

from histohet.common.settings import Several

Pooling = Literal["mean", "attention", "chief"]

SlideEmbeddings = Several[Pooling] | tuple[()]
"""How the tile embeddings of a slide become one vector: ``mean``, ``attention`` (weighted by the
softmax of the tiles' tumour scores), ``chief`` (CHIEF's tiles weighted by CHIEF); none by default.
"""
