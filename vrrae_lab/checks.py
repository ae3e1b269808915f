"""What arguments are refused for everywhere in the same words."""


def check_at_least(least: int, name: str, value: int) -> None:
    """Refuse a number that is too small.

    Raises:
        ValueError: if `value` is less than `least`.
    """
    if value < least:
        raise ValueError(f"{name} = {value}: use {least} or more")
