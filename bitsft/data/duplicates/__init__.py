"""Checked and cleaned rows -> rows of which none repeats another.

exact.py: equal rows, in one pass. near.py: similar texts, by MinHash. drop_near.py: similar rows, one of
which stays. cosine.py: a second opinion by an embedder. `normal_form.py` and `compared.py` say what is compared.

The names are resolved at first use: exact duplicates need no numpy.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsft.data.common.normal_form import normal_form as normal_form
    from bitsft.data.duplicates.cosine import CosineOpinion as CosineOpinion
    from bitsft.data.duplicates.cosine import Difference as Difference
    from bitsft.data.duplicates.cosine import cosine_duplicates as cosine_duplicates
    from bitsft.data.duplicates.cosine import differences as differences
    from bitsft.data.duplicates.drop_near import drop_near_duplicates as drop_near_duplicates
    from bitsft.data.duplicates.exact import drop_exact_duplicates as drop_exact_duplicates
    from bitsft.data.duplicates.near import Clusters as Clusters
    from bitsft.data.duplicates.near import near_duplicates as near_duplicates
    from bitsft.data.duplicates.report import Conflict as Conflict
    from bitsft.data.duplicates.report import DuplicateReport as DuplicateReport

_MODULE_OF = {
    "Clusters": "bitsft.data.duplicates.near",
    "Conflict": "bitsft.data.duplicates.report",
    "CosineOpinion": "bitsft.data.duplicates.cosine",
    "Difference": "bitsft.data.duplicates.cosine",
    "DuplicateReport": "bitsft.data.duplicates.report",
    "cosine_duplicates": "bitsft.data.duplicates.cosine",
    "differences": "bitsft.data.duplicates.cosine",
    "drop_exact_duplicates": "bitsft.data.duplicates.exact",
    "drop_near_duplicates": "bitsft.data.duplicates.drop_near",
    "near_duplicates": "bitsft.data.duplicates.near",
    "normal_form": "bitsft.data.common.normal_form",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
