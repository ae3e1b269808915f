"""What the papers print: every number once, as printed, and the places where the numbers disagree.

VRRAE: Mounayer et al., arXiv 2505.09458. AVAE: Saha, Joshi & Whitaker, arXiv 2311.07693. Lower is better in all scores
but precision and recall. Tables 1 and A.4-2 of the VRRAE paper are missing here: no copy at hand shows their numbers.
"""

from typing import Literal, NamedTuple

TITLES = {"bumps": "bumps", "mnist": "MNIST", "cifar10": "CIFAR-10", "celeba": "CelebA"}


class Printed(float):
    """A number with the digits in which it is printed, which is how `str` shows it."""

    text: str

    def __new__(cls, text: str) -> "Printed":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __deepcopy__(self, memo: object) -> "Printed":
        return self

    def __str__(self) -> str:
        return self.text

    @property
    def rounding(self) -> float:
        """The most that rounding to these digits can have changed."""
        digits, _, exponent = self.text.partition("e")
        return 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


# ------------------------------------------------------------------------------------------------ VRRAE: its settings


class Setting(NamedTuple):
    """Images, sizes and training of an experiment of the VRRAE paper (Tables A.3-1 and A.3-3).

    Attributes:
        image_size: pixels per side.
        num_train: training images.
        latent_size: L of the models with a long latent vector.
        rank: k, and the latent size of the others.
        num_epochs: passes over the training images.
        batch_size: images per step; 8 TPU cores share them.
        learning_rate: of AdaBelief, constant.
        vae_beta: weight of the VAE's KL divergence, by which Table A.3-2 has the score of Table 2; bumps: from the
            authors' scripts.
        vrrae_beta: likewise of the VRRAE.
    """

    image_size: int
    num_train: int
    latent_size: int
    rank: int
    num_epochs: int
    batch_size: int
    learning_rate: float
    vae_beta: float
    vrrae_beta: float

    @property
    def num_steps(self) -> int:
        """Updates: a batch that the images do not fill is left out."""
        return self.num_epochs * (self.num_train // self.batch_size)


SETTINGS = {
    "bumps": Setting(64, 100, 200, 2, 1280, 64, 1e-4, 1e-3, 1e-3),
    "mnist": Setting(28, 60_000, 100, 16, 20, 576, 1e-3, 1e-3, 1e-6),
    "cifar10": Setting(32, 50_000, 512, 60, 5, 64, 1e-4, 1e-5, 0.0),
    "celeba": Setting(160, 162_770, 512, 186, 8, 576, 1e-3, 1e-6, 1e-6),
}
NUM_GENERATED = 1250  # random samples in a score (A.7), each beside features of the training images
POINTS_BETWEEN = 5  # new images between a pair (section 4.2)

# -------------------------------------------------------------------------------------------------- VRRAE: its scores


class Scores(NamedTuple):
    """Of one model: FID of interpolations and of random samples, and the relative test error in percent."""

    interpolation: Printed
    generation: Printed
    reconstruction: Printed


def _scores(table: str) -> dict[str, dict[str, Scores]]:
    """By data set and model."""
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in table.strip().splitlines())
    return {
        data: {row[0]: Scores(*map(Printed, row[column].split())) for row in rows}
        for column, data in enumerate(head[1:], 1)
    }


TABLE_2 = _scores("""
      | mnist              | cifar10             | celeba
AE    | 7.31 40.12 27.31   | 143.31 140.35 18.39 | 15.24 15.88 18.82
VAE   | 11.95 30.63 32.602 | 137.74 135.77 17.86 | 8.94 9.66 16.55
RRAE  | 6.68 45.46 27.90   | 140.91 136.94 17.99 | 13.27 13.70 17.52
VRRAE | 5.89 38.77 26.00   | 129.68 129.89 17.04 | 7.06 7.60 15.03
""")

# Ablations.
TABLE_3 = _scores("""
                 | mnist                 | cifar10             | celeba
RRAE+VAE         | 20.07 71.96 44.81     | 160.23 158.36 29.35 | 12.71 17.50 32.80
VAE (f = I)      | 147.573 140.908 94.95 | 164.72 157.00 58.68 | 22.32 22.18 54.29
VRRAE (beta = 0) | 5.37 38.47 26.17      | 129.68 129.89 17.04 | 7.68 14.23 15.21
VRRAE            | 4.89 38.77 26.00      | 129.68 129.89 17.04 | 7.06 7.60 15.03
""")

# Other autoencoders; the rest of the table repeats Table 2. Beside the scores there the interpolations on CelebA are
# large and some errors on MNIST odd: whether these rows follow the titles of their columns cannot be told.
TABLE_A_4_3 = _scores("""
               | mnist            | celeba
Long AE        | 10.16 86.5 35.21 | 67.13 16.53 17.23
IRMAE          | 8.09 42.58 23.2  | 43.62 15.79 15.47
Contractive AE | 30.5 90.5 27.51  | 55.32 16.74 17.36
Sparse AE      | 6.1 57.67 61.32  | 87.2 16.91 16.57
""")


def _by_beta(betas: str, **scores: str) -> dict[str, dict[float, Printed]]:
    return {
        model.upper(): dict(zip(map(float, betas.split()), map(Printed, row.split()), strict=True))
        for model, row in scores.items()
    }


# FID of random samples by the weight of the KL divergence.
TABLE_A_3_2 = {
    "mnist": _by_beta("0 1e-6 1e-4 1e-3 1e-2", vae="40.8 39.46 35.21 30.63 40.1", vrrae="38.47 38.77 37.63 34.37 38.9"),
    "cifar10": _by_beta("0 1e-5 1e-4", vae="135.55 135.77 153.11", vrrae="129.89 130.62 145.29"),
    "celeba": _by_beta("0 1e-6 1e-4 1e-3", vae="14.65 9.65 13.31 17.42", vrrae="7.68 7.6 13.03 17.9"),
}


class Times(NamedTuple):
    """Of one step and of a whole training."""

    step_seconds: Printed
    total_minutes: Printed


# Three pairs of columns without a title; whose they are is decided in claim 29.
TABLE_A_4_1 = {
    model: tuple(Times(*map(Printed, pair.split())) for pair in row.split("|"))
    for model, row in {
        "VAE": "2.64 92.4 | .315 20.47 | 3.18 116.6",
        "VRRAE": "2.79 97.7 | .319 20.74 | 3.39 124.3",
    }.items()
}

# ------------------------------------------------------------------------------------------- VRRAE: where it disagrees


class Disagreement(NamedTuple):
    """Two printed numbers that cannot both be right, or not beside what the text says.

    Attributes:
        data: the data set.
        about: whose numbers they are.
        first: one of them.
        where: its table.
        second: the other.
        elsewhere: the table of that.
        relation: the first should equal the second, or be no larger.
    """

    data: str
    about: str
    first: Printed
    where: str
    second: Printed
    elsewhere: str
    relation: Literal["=", "≤"]

    def __str__(self) -> str:
        return f"{TITLES[self.data]}, {self.about}: {self.first} ({self.where}); {self.second} ({self.elsewhere})"

    @property
    def excess(self) -> float:
        """By how much they disagree beyond what rounding to the printed digits explains; below 0 if they do not."""
        difference = self.first - self.second
        return (abs(difference) if self.relation == "=" else difference) - self.first.rounding - self.second.rounding


DISAGREEMENTS = (
    Disagreement(
        "mnist",
        "interpolations of the VRRAE",
        TABLE_2["mnist"]["VRRAE"].interpolation,
        "Tables 2 and A.4-3",
        TABLE_3["mnist"]["VRRAE"].interpolation,
        "Table 3",
        "=",
    ),
    Disagreement(
        "celeba",
        "samples of the VRRAE with β = 0",
        TABLE_3["celeba"]["VRRAE (beta = 0)"].generation,
        "Table 3",
        TABLE_A_3_2["celeba"]["VRRAE"][0.0],
        "Table A.3-2, and Table 3 for interpolations",
        "=",
    ),
    Disagreement(
        "mnist",
        "samples of the VRRAE, as reported and with the best β tried",
        TABLE_2["mnist"]["VRRAE"].generation,
        "Table 2",
        TABLE_A_3_2["mnist"]["VRRAE"][1e-3],
        "Table A.3-2, β = 1e-3",
        "≤",
    ),
    Disagreement(
        "cifar10",
        "samples of the VAE, as reported and with the best β tried",
        TABLE_2["cifar10"]["VAE"].generation,
        "Table 2",
        TABLE_A_3_2["cifar10"]["VAE"][0.0],
        "Table A.3-2, β = 0",
        "≤",
    ),
    Disagreement(
        "mnist",
        "samples of the VRRAE with β = 0, said to beat VAEs, and of the VAE",
        TABLE_3["mnist"]["VRRAE (beta = 0)"].generation,
        "Table 3",
        TABLE_2["mnist"]["VAE"].generation,
        "Table 2",
        "≤",
    ),
    Disagreement(
        "celeba",
        "samples of the VRRAE with β = 0, said to beat VAEs, and of the VAE",
        TABLE_3["celeba"]["VRRAE (beta = 0)"].generation,
        "Table 3",
        TABLE_2["celeba"]["VAE"].generation,
        "Table 2",
        "≤",
    ),
    Disagreement(
        "mnist",
        "errors of the VRRAE, said to reconstruct best, and of IRMAE",
        TABLE_2["mnist"]["VRRAE"].reconstruction,
        "Table 2",
        TABLE_A_4_3["mnist"]["IRMAE"].reconstruction,
        "Table A.4-3",
        "≤",
    ),
)


def disagreements(data: str) -> list[str]:
    """Where the numbers printed for a data set disagree, a line for each place.

    Raises:
        ValueError: if the paper has no such data set.
    """
    if not isinstance(data, str) or data not in SETTINGS:
        raise ValueError(f"data = {data!r}: the paper has {', '.join(SETTINGS)}")
    lines = [str(pair) for pair in DISAGREEMENTS if pair.data == data]
    if SETTINGS[data].vrrae_beta == 0:
        lines.append(f"{TITLES[data]}: the row called VRRAE is that of β = 0, so of no variational model")
    return lines


# ---------------------------------------------------------------------------------------------------------------- AVAE

BANDWIDTH_CENTRES = (500, 1000, 2000, 5000, 10_000)
_BANDWIDTHS = {
    10: ".74/.60 .70/.58 .67/.56 .63/.53 .60/.51",
    20: ".89/.67 .86/.65 .84/.64 .80/.62 .78/.61",
    40: ">1/.72 >1/.71 .98/.70 .95/.69 .93/.68",
    50: ">1/.73 >1/.72 >1/.71 .99/.70 .98/.70",
    70: ">1/.74 >1/.74 >1/.73 >1/.73 >1/.72",
    100: ">1/.76 >1/.75 >1/.75 >1/.74 >1/.74",
}


class Bandwidths(NamedTuple):
    """Of a kernel density on encodings: before AVAE's correction, None where ">1" is printed, and after it."""

    bandwidth: Printed | None
    corrected: Printed


def _bandwidths(entry: str) -> Bandwidths:
    before, after = entry.split("/")
    return Bandwidths(None if before == ">1" else Printed(before), Printed(after))


# By latent size and number of centres.
BANDWIDTHS = {
    (latent_size, num_centres): _bandwidths(entry)
    for latent_size, row in _BANDWIDTHS.items()
    for num_centres, entry in zip(BANDWIDTH_CENTRES, row.split(), strict=True)
}


class SampleScores(NamedTuple):
    """Of one model: FID, precision and recall (PRD) of samples, and collapsed axes where they are told."""

    fid: Printed
    precision: Printed
    recall: Printed
    collapsed_axes: int | None = None


def _sample_scores(text: str, collapsed: int | None = None) -> SampleScores:
    fid, precision, recall = map(Printed, text.split())
    return SampleScores(fid, precision, recall, collapsed)


AVAE_SCORES = {
    "mnist": {  # latent size 16
        "VAE": _sample_scores("28.78 .88 .97", 4),
        "beta-TCVAE": _sample_scores("50.62 .82 .95", 7),
        "AVAE": _sample_scores("13.27 .92 .98", 0),
    },
    "celeba": {
        "VAE": _sample_scores("49.89 .79 .75"),
        "beta-TCVAE": _sample_scores("50.14 .78 .70"),
        "AVAE": _sample_scores("46.00 .88 .85"),
    },
    "cifar10": {
        "VAE": _sample_scores("147.74 .50 .47"),
        "beta-TCVAE": _sample_scores("180.94 .30 .41"),
        "AVAE": _sample_scores("90.93 .72 .67"),
    },
}
