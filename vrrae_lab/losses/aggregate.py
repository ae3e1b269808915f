"""The aggregate posterior held against the prior, instead of each image's posterior (AVAE)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least
from vrrae_lab.density import AggregatePosterior, KernelDensity
from vrrae_lab.gaussian import LOG_2_PI, DiagonalGaussian, Posterior
from vrrae_lab.losses.variational import Convention, Reconstruction, Terms, checked_weight
from vrrae_lab.models import Autoencoder, is_frozen


class AggregateMatching(eqx.Module):
    r"""Reconstruction plus β times an estimate of the KL divergence of the aggregate posterior from the prior, in nats,

    $$\frac1B \sum_{b=1}^B \big[\log q(z_b) - \log \mathcal{N}(z_b;\, 0, I)\big].$$

    The last `num_centres` images of a batch are its *centres*: they are encoded and not decoded, and $q$ is the density
    that their codes stand for. For a deterministic encoder that is one of Gaussian kernels of width `bandwidth` on the
    codes; for an encoder of Gaussians it is the average of these, and the bandwidth is not used. A batch holds no image
    twice, so no $z_b$ lies under a kernel of its own, which would reward $q$ for shrinking onto it (claim 23).

    No gradient flows into the centres. Otherwise they would run from the codes as these run towards them, and the
    spread that is best would be another (claim 21). With kernels of width $h < 1$ the codes are drawn to
    $\mathcal{N}(0, (1 - h^2) I)$: decode samples from there (`density.corrected_bandwidth`).

    With finitely many kernels this has no minimum: a code that is far from *all* centres gains by going further, as
    the density of the kernels falls faster there than the prior's (claim 21). Training with a large β, or for very
    long, can end with codes that run away; notebook 07 shows it. So watch their norms, keep β small, and stop in time.
    Widths of Gaussian posteriors are held by nothing here and can shrink until the same happens.

    Source: Saha, Joshi & Whitaker, *Matching aggregate posteriors in the variational autoencoder*, arXiv 2311.07693.
    There the centres are drawn afresh in every epoch; here in every step.

    Attributes:
        beta: weight of the divergence, 0 or more; an array. See `ValidationBeta`.
        bandwidth: of the kernels; an array.
        num_centres: images of each batch that are centres.
        reconstruction: the convention of the loss.
    """

    beta: Float[Array, ""]
    bandwidth: Float[Array, ""]
    num_centres: int = eqx.field(static=True)
    reconstruction: Convention

    def __init__(
        self,
        beta: float | Float[Array, ""],
        bandwidth: float | Float[Array, ""],
        num_centres: int,
        reconstruction: Convention = Reconstruction(),  # noqa: B008  it has no state
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if `beta` is negative, `bandwidth` is not positive, one is not finite, or there are no centres.
        """
        self.beta = checked_weight("beta", beta)
        self.bandwidth = checked_weight("bandwidth", bandwidth)
        if not isinstance(bandwidth, jax.core.Tracer) and bandwidth == 0:
            raise ValueError("bandwidth = 0: a kernel's standard deviation is positive")
        check_at_least(1, "num_centres", num_centres)
        self.num_centres, self.reconstruction = num_centres, reconstruction

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        """Raises: ValueError: if a batch has no images beside the centres, or the basis is not frozen."""
        if len(batch) <= self.num_centres:
            raise ValueError(
                f"a batch of {len(batch)} images has none left beside num_centres = {self.num_centres}: use a larger "
                "batch_size, or fewer centres"
            )
        if not is_frozen(model):
            raise ValueError(
                "the coefficients of two batches lie in two frames, so one cannot be the density of the other: "
                "call freeze_basis(model, x) first"
            )
        images, centres = batch[: -self.num_centres], batch[-self.num_centres :]
        squares, posterior = model.squared_error(images, key=key)
        reconstruction = self.reconstruction.error(squares, images)
        z = posterior.sample(key=jax.random.fold_in(key, 1))
        reference = jax.lax.stop_gradient(model.bottleneck.encode(model.encoder(centres)))
        divergences = self._density(reference).log_density(z) + 0.5 * jnp.sum(z**2 + LOG_2_PI, axis=1)
        kl = self.reconstruction.over_batch(divergences)
        return reconstruction + self.beta * kl, {"reconstruction": reconstruction, "aggregate_kl": kl}

    def _density(self, reference: Posterior) -> KernelDensity | AggregatePosterior:
        if isinstance(reference, DiagonalGaussian):
            return AggregatePosterior(reference)
        return KernelDensity(reference.mean, self.bandwidth)
