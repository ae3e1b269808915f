"""Where the tables of the VRRAE paper disagree with each other, with the text or with what costs nothing (claim 28).

The numbers are those of `vrrae_lab.papers`; the check subtracts them. That they are copied rightly no program can
decide.
"""

from typing import NamedTuple

from jaxtyping import Array, Key

from vrrae_lab import papers
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict
from vrrae_lab.derivations.samples import above, below
from vrrae_lab.papers import TITLES


class Floors(NamedTuple):
    """Errors on test images, in percent, of answers that need no network; measured with this package.

    Attributes:
        mean_image: of the mean of the training images, whatever the input.
        principal_components: of as many of them as the models have coefficients.
    """

    mean_image: float
    principal_components: float


# MNIST whole; CIFAR-10 with all training images and the first 1,000 of the 10,000 test images. CelebA is not at hand.
FLOORS = {"mnist": Floors(76.95, 48.55), "cifar10": Floors(45.86, 17.32)}
# Three standard deviations over thirty other sets of 1,000 images of CIFAR-10.
SAMPLING = Floors(1.2, 0.6)


def _against(floor: str, data: str, model: str, printed: papers.Printed) -> Finding:
    """By how much a printed error exceeds a floor: more than which images were taken explains."""
    value, sampling = (getattr(numbers, floor) for numbers in (FLOORS[data], SAMPLING))
    what = f"{TITLES[data]}, error of {model}: {printed} %, of the {floor.replace('_', ' ')}: {value} %; excess"
    return above(what, printed - value, sampling + printed.rounding)


def check_tables(key: Key[Array, ""]) -> Evidence:
    """Nothing is random here: the key is not used."""
    smallest_beta = min(own.vrrae_beta for own in papers.SETTINGS.values() if own.vrrae_beta > 0)
    return Evidence(
        (
            *(above(f"{pair}; difference less rounding", pair.excess, 0) for pair in papers.DISAGREEMENTS),
            below("β of the CIFAR-10 row called VRRAE", papers.SETTINGS["cifar10"].vrrae_beta, smallest_beta),
            *(
                _against("mean_image", data, "VAE (f = I)", papers.TABLE_3[data]["VAE (f = I)"].reconstruction)
                for data in FLOORS
            ),
            *(
                _against("principal_components", "cifar10", model, papers.TABLE_2["cifar10"][model].reconstruction)
                for model in ("AE", "RRAE")
            ),
        )
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=28,
        name="The tables agree with each other and with the text",
        source="VRRAE, Tables 2, 3, A.3-2 and A.4-3 and the text on them",
        statement=r"Each score is printed with one value, the reported $\beta$ is the best of those tried, $\beta=0$ "
        r"already beats VAEs, VRRAEs reconstruct best, and every model has learned something.",
        verdict=Verdict.CONTRADICTION,
        explanation="Every difference below is more than rounding to the printed digits explains. It shows that the "
        "numbers cannot all be right, not which are wrong. That the CIFAR-10 row called VRRAE has β = 0, so is no "
        "variational model, is inferred from equal scores in two tables. The errors printed for VAE (f = I) exceed "
        "that of answering every image with the mean one; on CIFAR-10 those of AE and RRAE exceed what as many "
        "principal components leave.",
        check=check_tables,
    ),
)
