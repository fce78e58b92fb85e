"""The transcript of a chat: Markdown that streams cheaply and histories of any length.

    transcript.set_entries(entries)          a whole session; only what is near the window is laid out
    transcript.append(entry), prepend(...), replace(entry), put_last(entry), remove_entry(key)
    transcript.begin(entry)                  an answer that streams: write(text), write_thinking(text),
                                             add_call(call), add_note(text), set_status(text)
    transcript.end(entry)                    its final form
    transcript.go_to(key, words)             select an entry and show it with words marked (a search hit in its place)
    transcript.follow_end(), .following, .selected_key
    transcript.source(key), code_blocks(key) what is copied

Messages: `OlderWanted` (the reader is near the beginning), `FollowChanged(following, new_lines)`.
Keys: up, down, page up, page down, home and end as usual; n and p select messages, t unfolds thinking.

How it is made: `segments` cuts a text by its own marks, however it arrives, so that an answer that streamed looks as
the same text read from the store; `markdown` draws segments as rows; a `view` is an entry cut into pieces, `history`
the views one below the other, `live` the view that grows; a `window` on the history paints rows which are others than
before, and the `widget` is such a window with what can be done with entries. No row holds a control character, whatever
the text. Nothing is parsed as Textual's markup, no link is ever followed.
"""

from venom_tui.ui.widgets.transcript.entry import Call, Entry
from venom_tui.ui.widgets.transcript.widget import Transcript

__all__ = ["Call", "Entry", "Transcript"]
