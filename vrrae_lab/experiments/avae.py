r"""VAE, β-TCVAE, AVAE and VRRAE: does the average of the posteriors fill the prior? (AVAE paper, its table and Fig. 1)

The scores of generated images are taken on pixels. They compare these models with each other and with training images;
beside the paper's, which are of the features of a network, they say nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Float, Key

from vrrae_lab import density, figures, metrics
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.experiments.record import markdown_table, mean_std
from vrrae_lab.experiments.scores import with_scores
from vrrae_lab.experiments.study import Study, closing, model_table
from vrrae_lab.experiments.subjects import Extent, Subject
from vrrae_lab.gaussian import DiagonalGaussian, Posterior
from vrrae_lab.losses import AggregateMatching, MinibatchStratified, TotalCorrelation, Variational
from vrrae_lab.models import Autoencoder, in_batches
from vrrae_lab.validation_beta import ValidationBeta, mean_error_norm

STEPS_OF_FAST_DIGITS = 900
MOST_CENTRES = 1000
MOST_SAMPLES = 2000  # in a score, the time of which grows with their square
MOST_DRAWN = 400  # in a multidimensional scaling, likewise

# column to metric, decimals, and the place of the value where there are several
SCORES: dict[str, tuple[str, int, int | None]] = {
    "energy distance": ("energy_distance", 3, None),
    "p": ("p_value", 3, None),
    "entropy (nats)": ("entropy", 2, None),
    "pixel Fréchet": ("pixel_frechet_distance", 2, None),
    "precision": ("improved_precision_recall", 2, 0),
    "recall": ("improved_precision_recall", 2, 1),
    "PRD F1/8": ("prd", 2, 0),
    "PRD F8": ("prd", 2, 1),
}
YARDSTICK = "N(0, I), training images"


@dataclass(frozen=True)
class Avae(Study):
    """Four models with our loss per sample, their aggregate posteriors held against the prior.

    A tenth of the training images is kept aside: by the error on them AVAE sets its β, as in its paper. The other three
    share one β.

    Attributes:
        data: see `Study`.
        beta: weight of the KL divergence per sample, of all models but AVAE.
        correlation_factor: weight of the total correlation of β-TCVAE in units of `beta`.
    """

    name: ClassVar[str] = "avae"
    description: ClassVar[str] = "VAE, beta-TCVAE, AVAE and VRRAE: does the aggregate posterior fill the prior?"

    data: str = "digits"
    beta: float = 0.03
    correlation_factor: float = 6.0

    @property
    def subject(self) -> Subject:
        """The images and settings; more steps of the fast digits than usual, which leave models near the mean image."""
        longer = self.num_steps is None and self.data == "digits" and self.extent == Extent.FAST
        return replace(super().subject, num_steps=STEPS_OF_FAST_DIGITS) if longer else super().subject

    def images(self) -> tuple[Dataset, Dataset]:
        """Training images without those kept aside, and test images."""
        train, _, test = self._images
        return train, test

    def kept_aside(self) -> Float[np.ndarray, "count height width channels"]:
        """The training images by which AVAE sets its β."""
        return self._images[1]

    @cached_property
    def _images(self) -> tuple[Dataset, np.ndarray, Dataset]:
        """Images to train on, those kept aside, and test images; loaded once, as every model is evaluated on them."""
        train, test = super().images()
        count = len(train) - len(train) // 10
        kept_aside = evaluation.bounded(replace(train, x=train.x[count:], labels=None)).x
        return train.take(count), kept_aside, test

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The four models."""
        own = self.subject
        narrow, wide = own.sizes
        count, bandwidth = self._kernels(train)
        matching = AggregateMatching(1.0, density.corrected_bandwidth(bandwidth), count)
        kept_aside, every = self.kept_aside(), max(1, len(train) // own.batch_size)
        estimator = MinibatchStratified(len(train))
        tcvae = TotalCorrelation(self.correlation_factor * self.beta, estimator, alpha=self.beta, gamma=self.beta)
        return {
            "VAE": Candidate("vae", narrow, Variational(self.beta)),
            "beta-TCVAE": Candidate("beta_tcvae", narrow, tcvae),
            "AVAE": Candidate(
                "avae",
                narrow,
                matching,
                batch_size=own.batch_size + count,  # as many images are decoded as of the others
                callback=lambda: ValidationBeta(kept_aside, every, rule=mean_error_norm),
            ),
            "VRRAE": Candidate("vrrae", wide, Variational(self.beta)),
        }

    def _kernels(self, train: Dataset) -> tuple[int, float]:
        """How many centres AVAE has, and the width of its kernels before the correction."""
        # an epoch holds images that are no centres, of which there are no more than of the others
        count = max(1, min(MOST_CENTRES, len(train) // 2, len(train) - self.subject.batch_size))
        return count, density.exact_avae_bandwidth(self.subject.rank, count)

    def facts(self, train: Dataset) -> dict[str, Any]:
        """AVAE's kernels, and the scores of samples of the prior and of training images in place of a model's."""
        count, bandwidth = self._kernels(train)
        _, test = self.images()
        real, other = compared(test, train), compared(train, test)
        prior = jax.random.normal(jax.random.key(0), (2 * len(real), self.subject.rank))
        two_of_the_prior = metrics.same_distribution_floor(
            metrics.energy_distance, prior, (len(real), len(real)), key=jax.random.key(1)
        )
        return {
            "num_centres": count,
            "bandwidth": bandwidth,
            "corrected_bandwidth": density.corrected_bandwidth(bandwidth),
            "yardstick": {"energy_distance": two_of_the_prior.mean}
            | scores_of_images(real, other, key=jax.random.key(2)),
        }

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """Also the aggregate posterior against the prior, and images of samples of the prior against test images."""
        kernel = density.corrected_bandwidth(self._kernels(train)[1])
        keys = jax.random.split(key, 5)
        real = compared(test, train)
        posterior = in_batches(model.encode, real)
        z = aggregate_samples(posterior, kernel, key=keys[0])
        prior = np.asarray(jax.random.normal(keys[1], z.shape))
        against_prior = metrics.two_sample_test(z, prior, num_permutations=199, key=keys[2])
        bandwidth = density.exact_avae_bandwidth(z.shape[1], len(z) - 1)
        entropy = metrics.latent_entropy(z, bandwidth, key=keys[3])
        generated = in_batches(model.decode, to_codes(prior, posterior, kernel))
        return (
            evaluation.evaluate(model, train, test)
            | {
                "kept_aside_error_norm": mean_error_norm(ValidationBeta(self.kept_aside(), 1).error_norms(model)),
                "energy_distance": against_prior.statistic,
                "p_value": against_prior.p_value,
                "entropy": entropy.value,
                "entropy_of_gaussian": entropy.of_gaussian.mean,
            }
            | scores_of_images(real, generated, key=keys[4])
        )

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """Two tables as Markdown, mean ± standard deviation over the seeds: the models, and what is generated."""
        names, facts = comparison.model_names(record), record["data"]
        rows = [
            [name, *_cells({m: comparison.of_model(record, name, m) for m, _, _ in SCORES.values()})] for name in names
        ]
        of_gaussian = [v for name in names for v in comparison.of_model(record, name, "entropy_of_gaussian")]
        yardstick = {metric: [value] for metric, value in facts["yardstick"].items()} | {"entropy": of_gaussian[:1]}
        beta = mean_std(comparison.of_model(record, "AVAE", "kept_aside_error_norm"), 3)
        remark = (
            f"beta of AVAE at the end: {beta}; its {facts['num_centres']} kernels have the bandwidth "
            f"{facts['corrected_bandwidth']:.3f}, corrected from {facts['bandwidth']:.3f}"
        )
        pixels = markdown_table(["model", *SCORES], [*rows, [YARDSTICK, *_cells(yardstick)]])
        lines = ["of test images; scores of images are on pixels, so not comparable to the paper's, on features"]
        return with_scores(f"{model_table(record)}\n\n{pixels}", record, {}, *lines, *closing(record, remark))

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Images of samples of the prior, and the latents in the plane (AVAE paper, Fig. 1), from the checkpoints."""
        seed, kernel = record["seeds"][0], record["data"]["corrected_bandwidth"]
        _, test = self.images()
        drawn = evaluation.bounded(test.take(min(MOST_DRAWN, len(test))))
        models = comparison.load_models(record, out, seed)
        keys = jax.random.split(jax.random.key(seed))
        prior = np.asarray(jax.random.normal(keys[0], (len(drawn), record["settings"]["rank"])))
        samples, sets = [], {}
        for name, model in models.items():
            posterior = in_batches(model.encode, drawn.x)
            sets[name] = aggregate_samples(posterior, kernel, key=keys[1])
            samples.append(in_batches(model.decode, to_codes(prior[:12], posterior, kernel)))
        limits = test.value_range
        title = f"Decoded samples of the prior, seed {seed}"
        return {
            "samples": figures.image_grid(
                np.concatenate(samples), 12, title=title, row_names=list(models), limits=limits
            ),
            "mmds": scaling(sets | {"N(0, I)": prior}, drawn.label_numbers, seed),
        }


def _cells(values: Mapping[str, list[Any]]) -> list[str]:
    """One of each column of the scores, from lists of values by metric; a dash where there is none."""
    cells = []
    for metric, digits, place in SCORES.values():
        found = values.get(metric, [])
        cells.append(mean_std(found if place is None else [pair[place] for pair in found], digits))
    return cells


def compared(images: Dataset, others: Dataset) -> Float[np.ndarray, "count height width channels"]:
    """As many of the images as go into a score beside others, of which there must be as many, as floats."""
    return evaluation.bounded(images.take(min(MOST_SAMPLES, len(images), len(others)))).x


def scores_of_images(
    real: Float[np.ndarray, "count ..."], generated: Float[np.ndarray, "count ..."], *, key: Key[Array, ""]
) -> dict[str, Any]:
    """Distance, precision and recall of images against as many real ones, on pixels, JSON-ready."""
    x, y = real.reshape(len(real), -1), generated.reshape(len(generated), -1)
    return {
        "pixel_frechet_distance": metrics.frechet_distance(x, y),
        "prd": list(metrics.prd(x, y, key=key).summary()),
        "improved_precision_recall": list(metrics.improved_precision_recall(x, y)),
    }


def aggregate_samples(posterior: Posterior, kernel: float, *, key: Key[Array, ""]) -> Float[np.ndarray, "count rank"]:
    """A sample of the aggregate posterior for each image: of its Gaussian, or of a kernel on its code.

    Args:
        posterior: of the images.
        kernel: standard deviation of the kernels, for a model without noise of its own.
        key: the noise.
    """
    mean = np.asarray(posterior.mean)
    spread = np.exp(posterior.log_variance / 2) if isinstance(posterior, DiagonalGaussian) else kernel
    return mean + spread * np.asarray(jax.random.normal(key, mean.shape))


def to_codes(prior: Float[np.ndarray, "n rank"], posterior: Posterior, kernel: float) -> Float[np.ndarray, "n rank"]:
    r"""What is decoded for samples of the prior: they, or under kernels of width $h$ ones of variance $1-h^2$.

    Args:
        prior: the samples.
        posterior: of some images, which shows whether the model has noise of its own.
        kernel: standard deviation $h$ of the kernels otherwise.
    """
    return prior if isinstance(posterior, DiagonalGaussian) else prior * np.float32(np.sqrt(1 - kernel**2))


def scaling(
    sets: Mapping[str, Float[np.ndarray, "count rank"]], colour: Float[np.ndarray, " count"], seed: int
) -> go.Figure:
    """Each set in the plane, with the same scale; the last one, which has no images, in one colour."""
    planes = {name: to_plane(z) for name, z in sets.items()}
    figure = figures.latent_plane(
        planes,
        colour=dict.fromkeys(list(planes)[:-1], colour),
        title=f"Aggregate posteriors in the plane, distances kept as far as possible, coloured by label, seed {seed}",
        axis_names=("", ""),
    )
    reach = 1.05 * max(float(np.abs(points).max()) for points in planes.values())
    figure.update_traces(marker_size=4)
    figure.update_layout(showlegend=False, width=100 + 280 * len(planes), height=330)  # panels about square
    return figure.update_xaxes(range=(-reach, reach)).update_yaxes(range=(-reach, reach))


def to_plane(z: Float[np.ndarray, "count rank"]) -> Float[np.ndarray, "count 2"]:
    """Metric multidimensional scaling: points whose distances are as near to those of `z` as they can be in a plane.

    It starts from the two directions of the largest variance.
    """
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import smacof

    centred = z - z.mean(axis=0)
    start = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    points, _ = smacof(squareform(pdist(z)), n_components=2, init=start, n_init=1, normalized_stress=False)
    return points - points.mean(axis=0)
