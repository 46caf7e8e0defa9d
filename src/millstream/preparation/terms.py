"""Texts as weighted terms, one text at a time; needs the standard library only, so table and row share it.

Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988, with the smoothing of scikit-learn's TfidfVectorizer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

_TERM = re.compile(r"\w+")


def terms_of(text: str) -> list[str]:
    """The terms of a text: runs of letters, digits and underscores, in lower case."""
    return _TERM.findall(text.lower())


def term_weights(terms: Sequence[str], weights: Sequence[float]) -> Callable[[str | None], list[float]]:
    """The function from a text to one number per term; their squares add up to 1, or all are 0.

    >>> term_weights(["blue", "sky"], [1.0, 2.0])("Sky, sky!")
    [0.0, 1.0]
    """
    weighted = tuple(zip(terms, weights, strict=True))

    def numbers(text: str | None) -> list[float]:
        counts = Counter(terms_of(text)) if text is not None else Counter[str]()
        found = [counts[term] * weight for term, weight in weighted]
        length = math.sqrt(math.fsum(number * number for number in found))
        return [number / length for number in found] if length else found

    return numbers
