"""Personal data in Korean text: found by form, check digits and the words around it, and masked.

    find_personal("제 번호는 010-1234-5678이에요.")    # (Found(kind='phone', start=6, end=19),)

One file for each family of patterns; `masking.py` puts them together.
"""

from bitsft.data.clean.personal.found import Found as Found
from bitsft.data.clean.personal.masking import find_personal as find_personal
from bitsft.data.clean.personal.masking import maybe_personal as maybe_personal
