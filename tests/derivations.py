"""What the tests of the claims share: mistakes in the library, to be made on purpose."""

import jax.numpy as jnp

from vrrae_lab import gaussian, linalg
from vrrae_lab.bottlenecks import bases


def change_kl(patch, change):
    """Put `change(kl, posterior)` in place of the KL divergence."""
    kl = gaussian.DiagonalGaussian.kl
    patch.setattr(gaussian.DiagonalGaussian, "kl", lambda self: change(kl(self), self))


def change_svd(patch, change):
    """Put `change(svd, latents, rank)` in place of the truncated SVD, wherever it is called."""
    truncated_svd = linalg.truncated_svd

    def changed(latents, rank, **options):
        return change(truncated_svd(latents, rank, **options), latents, rank)

    patch.setattr(linalg, "truncated_svd", changed)
    patch.setattr(bases, "truncated_svd", changed)


def kl_without_half(patch):
    change_kl(patch, lambda kl, posterior: 2 * kl)


def kl_without_its_constant(patch):
    change_kl(patch, lambda kl, posterior: kl + 0.5)


def kl_without_the_mean(patch):
    change_kl(patch, lambda kl, posterior: kl - 0.5 * posterior.mean**2)


def svd_of_unit_columns(patch):
    change_svd(
        patch, lambda svd, latents, rank: svd._replace(coefficients=svd.coefficients / svd.singular_values[None])
    )


def svd_with_a_basis_too_long(patch):
    def change(svd, latents, rank):
        return svd._replace(basis=1.01 * svd.basis, coefficients=1.01 * svd.coefficients)

    change_svd(patch, change)


def svd_after_centring(patch):
    truncated_svd = linalg.truncated_svd
    centred = lambda latents: latents - latents.mean(axis=0, keepdims=True)  # noqa: E731
    change_svd(patch, lambda svd, latents, rank: truncated_svd(centred(latents), rank))


def svd_in_rising_order(patch):
    change_svd(
        patch,
        lambda svd, latents, rank: linalg.TruncatedSVD(
            svd.basis[:, ::-1], svd.singular_values[::-1], svd.coefficients[:, ::-1]
        ),
    )


def svd_in_a_turned_frame(patch):
    def change(svd, latents, rank):
        turn = jnp.linalg.qr(jnp.arange(1.0, rank**2 + 1).reshape(rank, rank) ** 0.5)[0]
        return svd._replace(basis=svd.basis @ turn, coefficients=svd.coefficients @ turn)

    change_svd(patch, change)


def svd_without_the_first_direction(patch):
    truncated_svd = linalg.truncated_svd

    def change(svd, latents, rank):
        basis, singular_values, coefficients = truncated_svd(latents, rank + 1)
        return linalg.TruncatedSVD(basis[:, 1:], singular_values[1:], coefficients[:, 1:])

    change_svd(patch, change)


def sampling_without_noise(patch):
    patch.setattr(gaussian.DiagonalGaussian, "sample", lambda self, *, key: self.mean)


def noise_of_squared_size(patch):
    patch.setattr(gaussian.DiagonalGaussian, "standard_deviation", property(lambda self: jnp.exp(self.log_variance)))


def failing(evidence):
    """The findings that do not hold, for the message of a failed assertion."""
    return [finding for finding in evidence.findings if not finding.holds]
