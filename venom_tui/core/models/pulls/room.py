"""Whether a pull may begin: what has to fit, and what is to be kept free on its disk."""

from __future__ import annotations

from venom_tui.core.downloads.space import full_disk
from venom_tui.core.errors import GuardRefused, NeedsYes
from venom_tui.core.resources.limits import gib
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.pull import PullPreview


def limit_text(preview: PullPreview) -> str:
    """Return how a pull would break the limit of its disk, as one clause; "" where it does not."""
    if not preview.breaks_limit:
        return ""
    left = max(0, preview.left_bytes or 0)
    where = sanitize_line(preview.folder or "", 200)
    return f"{gib(left)} GiB would be left in {where}, {gib(preview.kept_bytes)} GiB are to be kept"


def check(preview: PullPreview, *, yes: bool, force: bool) -> None:
    """Refuse a pull that has no room, or that was not said yes to.

    Raises:
        NoSpace: it cannot fit; nothing forces that.
        GuardRefused: less would be left than what is to be kept, which the policy refuses.
        NeedsYes: the same, where the policy asks.
    """
    if preview.short_bytes:
        raise full_disk(preview.folder, preview.short_bytes)
    words = f"{preview.name}: {limit_text(preview)}."
    if preview.refused and not force:
        raise GuardRefused(words, hint="Make room there; force (--force) pulls it all the same.")
    if preview.asks and not (yes or force):
        raise NeedsYes(words, hint="A yes (--yes) pulls it.")
