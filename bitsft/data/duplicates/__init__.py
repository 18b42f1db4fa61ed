"""Checked and cleaned rows -> rows of which none repeats another.

exact.py: equal rows, in one pass. near.py: similar texts, by MinHash. drop_near.py: similar rows, one of
which stays. cosine.py: a second opinion by an embedder. `normal_form.py` and `written.py` say what is compared.
"""

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
from bitsft.data.normal_form import normal_form as normal_form
