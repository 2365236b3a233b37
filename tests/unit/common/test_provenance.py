from __future__ import annotations

import json

from histohet.common.provenance import Provenance


def test_provenance_is_sorted_json() -> None:
    text = Provenance({"b": 1, "a": [2]}, {"slide": "x.svs"}).as_json()
    data = json.loads(text)
    assert data["parameters"] == {"a": [2], "b": 1}
    assert data["software"].startswith("histohet ")
    assert text == Provenance({"a": [2], "b": 1}, {"slide": "x.svs"}).as_json()
