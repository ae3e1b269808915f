"""Where the tables of the VRRAE paper disagree with each other or with the text (claim 28).

Only figures that were compared by hand are kept here, as they are printed; the check subtracts them. That they are
copied rightly no program can decide. Rows of Table A.6 that look shifted by a column are left out: it takes a guess
to say what they should be.
"""

from typing import NamedTuple

from jaxtyping import Array, Key

from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict


class Printed(NamedTuple):
    """A score as the paper prints it; lower is better in all of them.

    Attributes:
        text: the digits.
        what: data set, model and score.
    """

    text: str
    what: str

    @property
    def value(self) -> float:
        return float(self.text)

    @property
    def rounding(self) -> float:
        """The most that rounding to the printed digits can have changed."""
        return 0.5 * 10.0 ** -len(self.text.partition(".")[2])


# Two figures that should be one.
SAME: tuple[tuple[Printed, Printed], ...] = (
    (Printed("5.89", "MNIST, interpolation"), Printed("4.89", "the same in another place")),
    (Printed("7.68", "CelebA, β = 0, random generation"), Printed("14.23", "the same in another place")),
    (Printed("38.77", "MNIST, the score reported"), Printed("34.37", "the score of its β = 1e-3")),
)

# The first should be no larger than the second: the best of a search over β, or what the text puts first.
NO_LARGER: tuple[tuple[Printed, Printed], ...] = (
    (Printed("135.77", "CIFAR-10, VAE as reported"), Printed("135.55", "the same VAE with β = 0")),
    (Printed("38.47", "MNIST, β = 0, said to beat VAEs"), Printed("30.63", "MNIST, VAE")),
    (Printed("26.00", "MNIST, reconstruction, VRRAE"), Printed("23.2", "MNIST, reconstruction, IRMAE")),
)

# What is known of Table 2 by data set and model: reconstruction error in percent, and score of generated images. That
# the two scores of MNIST are of generated images is inferred from their size, as interpolations score near 5.
TABLE_2: dict[tuple[str, str], dict[str, Printed]] = {
    ("MNIST", "VAE"): {"generation": NO_LARGER[1][1]},
    ("MNIST", "VRRAE"): {"generation": SAME[2][0], "reconstruction": NO_LARGER[2][0]},
}

# β of the rows called VRRAE, by which Table A.3-2 and Table 2 have the same scores.
VRRAE_BETA: dict[str, float] = {"MNIST": 1e-6, "CIFAR-10": 0.0, "CelebA": 1e-6}


def _tables(key: Key[Array, ""]) -> Evidence:
    """Nothing is random here: the key is not used."""
    differences = [(a, b, abs(a.value - b.value)) for a, b in SAME]
    excesses = [(a, b, a.value - b.value) for a, b in NO_LARGER]
    smallest_beta = min(beta for beta in VRRAE_BETA.values() if beta > 0)
    return Evidence(
        (
            *(
                Finding(f"{a.what}: {a.text}; {b.what}: {b.text}; difference", difference, ">", a.rounding + b.rounding)
                for a, b, difference in differences
            ),
            *(
                Finding(f"{a.what}: {a.text}; {b.what}: {b.text}; excess", excess, ">", a.rounding + b.rounding)
                for a, b, excess in excesses
            ),
            Finding("β of the CIFAR-10 row called VRRAE", VRRAE_BETA["CIFAR-10"], "<", smallest_beta),
        )
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=28,
        name="The tables agree with each other and with the text",
        source="VRRAE, Table 2, Table A.3-2 and the tables and text they are compared with",
        statement=r"Each score is printed with one value, the reported $\beta$ is the best of those tried, $\beta=0$ "
        r"already beats VAEs, and VRRAEs reconstruct best.",
        verdict=Verdict.CONTRADICTION,
        explanation="Every difference below is more than rounding to the printed digits explains. The figures are "
        "quoted, not measured: the check shows that they cannot all be right, not which are wrong. That the "
        "CIFAR-10 row called VRRAE has β = 0, so is no variational model, is inferred from equal scores in two "
        "tables.",
        check=_tables,
    ),
)
