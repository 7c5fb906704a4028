"""Which region belongs to which wave."""

from __future__ import annotations

from collections.abc import Sequence

from chainfleet.model.errors import PlanError


def make_waves(regions: Sequence[str], wanted: Sequence[int | str]) -> tuple[tuple[str, ...], ...]:
    """Cut the regions, in their order, into waves.

    Args:
        regions: names, in the order of the fleet.
        wanted: one entry a wave: a number of regions (8), a share of all regions ("25%", rounded up),
            or names joined by `+` ("northeurope+uksouth"). What is left over becomes a last wave.

    Raises:
        PlanError: an entry names no region, or more than there are.
    """
    if not wanted:
        return ()
    left = list(regions)
    waves = []
    for entry in wanted:
        wave = _pick(entry, left, len(regions))
        waves.append(wave)
        left = [name for name in left if name not in wave]
    if left:
        waves.append(tuple(left))
    return tuple(waves)


def _pick(entry: int | str, left: list[str], total: int) -> tuple[str, ...]:
    text = str(entry).strip()
    if _is_number(text):
        count = int(text)
    elif text.endswith("%") and _is_number(text[:-1]):
        share = int(text[:-1])
        if share > 100:
            raise PlanError(f"wave `{text}` is more than all regions", way_out="give 100% at most")
        count = min(-(-total * share // 100), len(left))
    else:
        names = tuple(part.strip() for part in text.split("+") if part.strip())
        # Whoever is named twice is no longer left the second time.
        unknown = [name for i, name in enumerate(names) if name not in left or name in names[:i]]
        if not names or unknown:
            wrong = ", ".join(unknown) or text
            raise PlanError(
                f"wave `{text}`: no such region left: {wrong}", way_out=f"left are {', '.join(left)}"
            )
        return names
    if count < 1:
        raise PlanError(f"wave `{text}` names no region", way_out="give at least 1")
    if count > len(left):
        message = f"wave `{text}` wants {count} regions, but only {len(left)} of {total} are left"
        raise PlanError(message, way_out=f"the waves together may have at most {total} regions")
    return tuple(left[:count])


def _is_number(text: str) -> bool:
    # `isdigit` alone takes superscripts, which `int` refuses; a number of thousands of digits it refuses as well.
    return text.isascii() and text.isdigit() and len(text) < 10
