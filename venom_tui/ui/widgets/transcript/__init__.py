"""The transcript of a chat: Markdown that streams cheaply and histories of any length.

    transcript.set_entries(entries)          a whole session; only what is near the window is laid out
    transcript.append(entry), prepend(...), put_last(entry), remove(key)
    transcript.begin(entry)                  an answer that streams: write(text), write_thinking(text), set_status(text)
    transcript.end(entry)                    its final form
    transcript.go_to(key, words)             show an entry with words highlighted (a search hit in its place)
    transcript.source(key), code_blocks(key) what is copied

All text must be sanitized already. Nothing of it is parsed as markup, no link is ever followed.
"""

from venom_tui.ui.widgets.transcript.entry import Entry
from venom_tui.ui.widgets.transcript.widget import Transcript

__all__ = ["Entry", "Transcript"]
