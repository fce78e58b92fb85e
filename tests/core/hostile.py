"""Text that wants to drive a terminal or Textual's markup, as a hostile model, file or server would send it."""

from __future__ import annotations

import re

from hypothesis import strategies as st

FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff]")
"""What nothing that leaves the core may hold."""

SEQUENCES = (
    "\x1b[31m",
    "\x1b[2J\x1b[H",
    "\x1b[?1049h",
    "\x9b31m",
    "\x1b]52;c;SGVsbG8=\x07",
    "\x1b]52;c;SGVsbG8=\x1b\\",
    "\x9d0;title\x9c",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1bPq#0;2;0\x1b\\",
    "\x1b_Gf=100;AAAA\x1b\\",
    "\x1bc",
    "\x07\x08\x7f\x00",
    "\u202etxt.exe\u2066",
    "\u200f\u061c\ufeff",
    "\r\n\u2028",
)
MARKUP = ("[/x]", "[@click=app.quit]x[/]", "[b]", "[/]", "[link=http://x]", "`", "\\[")

hostile = st.lists(
    st.sampled_from([*SEQUENCES, *MARKUP, "\x1b", "\x1b[", "\x1b]", "\x9b", "\x9d", "plain", " ", "é", "日本", "👩‍👧"])
    | st.text(max_size=4),
    max_size=15,
).map("".join)
