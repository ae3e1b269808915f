"""Linear algebra: the truncated SVD as a differentiable layer, and the bases of whole data sets."""

from vrrae_lab.linalg.bases import GramBasis, gram_basis, subspace_angle
from vrrae_lab.linalg.svd import Method, TruncatedSVD, check_method, nan_unless_finite, truncated_svd

__all__ = [
    "GramBasis",
    "Method",
    "TruncatedSVD",
    "check_method",
    "gram_basis",
    "nan_unless_finite",
    "subspace_angle",
    "truncated_svd",
]
