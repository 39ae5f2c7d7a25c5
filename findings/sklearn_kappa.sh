#!/bin/bash
# Quadratic kappa of two people who rate from 1 to 5 and never use 3 and 4.
. "$(dirname "$0")/common.sh" statistics
finding "scikit-learn 1.9.1" \
    "the weight of a disagreement is the squared difference of the two levels: 2 against 5 weighs nine times as much as 1 against 2" \
    "it is the difference of their places among the levels that occur: 2 and 5 are neighbours unless labels= names all levels, and kappa moves with levels that nobody used"
run_python <<'P'
from sklearn.metrics import cohen_kappa_score

a, b = [1, 1, 2, 5, 5, 2, 1, 5], [1, 2, 2, 5, 2, 2, 1, 5]
print("levels that occur: %.4f" % cohen_kappa_score(a, b, weights="quadratic"))
print("levels 1 to 5:     %.4f" % cohen_kappa_score(a, b, weights="quadratic", labels=[1, 2, 3, 4, 5]))
P
same <<'T'
levels that occur: 0.8000
levels 1 to 5:     0.7727
T
