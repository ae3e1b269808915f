"""What the VRRAE paper prints for the image sets, as far as it is recorded, and where that contradicts itself."""

from vrrae_lab.derivations import tables

TITLES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "celeba": "CelebA"}


def scores(experiment: str, model: str) -> dict[str, str]:
    """The digits printed for a model, by "reconstruction" (in percent), "interpolation" or "generation"."""
    printed = tables.TABLE_2.get((TITLES[experiment], model), {})
    return {kind: number.text for kind, number in printed.items()}


def disagreements(experiment: str) -> list[str]:
    """The numbers printed for a data set that cannot both be right, a line for each pair."""
    title = TITLES[experiment]
    lines = [
        f"{a.what}: {a.text}; {b.what}: {b.text}"
        for a, b in (*tables.SAME, *tables.NO_LARGER)
        if a.what.startswith(title)
    ]
    if tables.VRRAE_BETA[title] == 0:
        lines.append(f"the {title} row called VRRAE has β = 0, so is no variational model")
    return lines
