r"""Linear algebra: the truncated SVD as a differentiable layer, and the bases of whole data sets.

The papers write latent vectors as columns, $Y \in \mathbb{R}^{L \times N}$ with $Y = U \Sigma V^T$. Here a batch is
batch-first, so every matrix is the transpose of the papers': `latents` $= Y^T = V \Sigma U^T$. The basis $U_k$ keeps
its name and shape; the coefficients $\alpha = \Sigma_k V_k^T$ become `coefficients` $= \alpha^T$, one row per sample.

**Derivative.** Write $\Lambda = \Sigma^2$ and $N = V^T\,dY^T\,U$ for a perturbation in the frame of the singular
vectors. Differentiating $Y Y^T u_j = \lambda_j u_j$ and projecting on $u_i$ gives the rotation of the basis,

$$\Omega_{ij} = u_i^T du_j = \frac{\sigma_j N_{ji} + \sigma_i N_{ij}}{\lambda_j - \lambda_i}, \qquad i \ne j,$$

and outside the span of $U$ (only when the batch is smaller than the latent space) the directions behave as dropped
ones of singular value zero, $du_j = \dots + (I - U U^T)\,dY\,v_j / \sigma_j$. As $Y^T U = V \Sigma$,

$$dU_k = U\,\Omega_k + (I - U U^T)\,dY\,V_k \Sigma_k^{-1}, \qquad
  d\alpha^T = dY^T U_k + V \Sigma\,\Omega_k .$$

Only the columns $j \le k$ of $\Omega$ occur: pairs of one kept and one dropped direction, and pairs inside the kept
block. The rule is linear in $dY$, so JAX transposes it into the reverse-mode gradient; no pair of two dropped
directions is ever divided by its gap. A function that does not change when the kept frame is rotated, such as the
low-rank product $U_k \alpha$, does not depend on the pairs inside the kept block, and leaving them out
(`within_block=False`) keeps its gradient exact when kept singular values coincide.

**Near ties.** A gap $d = \lambda_j - \lambda_i$ enters as $d / (d^2 + \delta^2)$, where $\delta$ is what rounding does
to $d$. At a tie across the cut the map itself is discontinuous and all one can ask of a gradient is to be finite.

**Small kept values.** So that the rule stays finite where a kept direction vanishes, $\delta$ has a floor, and below
$\sigma_k \approx 3 \cdot 10^{-4} \sigma_1$ in float32 ($10^{-8}$ in float64) that floor decides: gradients by
directions that small are damped. Measured in float32 with a gap of a factor of 3 below the cut, the gradient of
$\langle G, U_k\alpha \rangle$ is off by 0.005 % at $10^{-3} \sigma_1$, 0.4 % at $3 \cdot 10^{-4}$ and 14 % at
$10^{-4}$ (24 % where the batch is smaller than the latent space).

**Second derivatives** are those of the rule with JAX's own derivative of the SVD in it, which divides by every gap:
right where all singular values differ, and wrong or NaN at any tie, kept or dropped, whatever `within_block` is.

**Two ways to decompose.** The rule is the same for both:

- `"svd"`: the platform's SVD (LAPACK's on a CPU). Singular values are right to a rounding error of the *largest* one,
  however small they are.
- `"gram"`: eigenvectors of the smaller of the Gram matrices $Y Y^T$ and $Y^T Y$. Faster, most so where one side is much
  the longer, and made of matrix products. But it compares squares: the error of a direction, and of its right angle to
  the others, grows with $(\sigma_1 / \sigma_j)^2$, so that in float32 one of $\sigma_j = 10^{-3} \sigma_1$ is right to
  a few percent only; and a kept direction that vanishes may get a zero instead of a unit vector.
- `"auto"`: `"gram"` on TPUs, whose SVD is slow; `"svd"` elsewhere.

Products are asked for in full precision, which accelerators do not give by default.

**Spread over devices** (see `vrrae_lab.sharding`), the decomposition is still that of the whole batch. Adding up the
devices' $L \times L$ Gram matrices moves about $2 L^2$ numbers to and from each device, gathering the $B \times L$
latents $B L$: where $B \le 2 L$ they are gathered, otherwise the way is `"gram"`, with `"auto"` too. The gradient adds
up $L \times k$ matrices. Images and activations stay where they are.

Sources: Mounayer et al., *Variational Rank Reduction Autoencoders*, arXiv 2505.09458, Eq. 1 and 3; Mounayer et al.,
*Rank Reduction Autoencoders*, arXiv 2405.13980, Eq. 2.
"""

from vrrae_lab.linalg.bases import GramBasis, energy_overlap, gram_basis, subspace_angle
from vrrae_lab.linalg.svd import Method, TruncatedSVD, check_method, nan_unless_finite, truncated_svd

__all__ = [
    "GramBasis",
    "Method",
    "TruncatedSVD",
    "check_method",
    "energy_overlap",
    "gram_basis",
    "nan_unless_finite",
    "subspace_angle",
    "truncated_svd",
]
