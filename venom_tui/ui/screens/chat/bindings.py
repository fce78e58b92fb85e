"""The keys that act in the whole chat."""

from __future__ import annotations

from textual.binding import Binding

CHAT_BINDINGS: tuple[Binding, ...] = (
    Binding("ctrl+n", "new_session", "new", id="chat.new", tooltip="Begin a new session", priority=True),
    Binding("ctrl+s", "sessions", "sessions", id="chat.sessions", tooltip="Go to the sessions, or pick one"),
    Binding("ctrl+f", "find", "find", id="chat.find", tooltip="Search the text of all sessions", priority=True),
    Binding("ctrl+r", "regenerate", "again", show=False, id="chat.again", tooltip="Ask for the last answer again"),
    Binding(
        "alt+r", "retry_on", "retry", show=False, id="chat.retry", tooltip="Ask another model the last prompt, too"
    ),
    Binding("alt+v", "compare", "compare", show=False, id="chat.compare", tooltip="Show two answers side by side"),
    Binding(
        "ctrl+y",
        "copy_answer",
        "copy answer",
        show=False,
        id="chat.copy",
        tooltip="Copy the last answer",
        priority=True,
    ),
    Binding("alt+e", "edit_prompt", "editor", show=False, id="chat.edit", tooltip="Write the prompt in your editor"),
    Binding(
        "alt+x", "detach", "detach", show=False, id="chat.detach", tooltip="Take the file away that is attached last"
    ),
    Binding("alt+up", "queue", "queue", show=False, id="chat.queue", tooltip="Go to the prompts that wait"),
    Binding("alt+s", "resume_queue", "send", show=False, id="chat.resume", tooltip="Send the prompts that wait"),
    Binding(
        "alt+t",
        "toggle_think",
        "think",
        show=False,
        id="chat.think",
        tooltip="Let the model think first, or not, or leave that to it",
    ),
    Binding(
        "alt+g",
        "aside",
        "aside",
        show=False,
        id="chat.aside",
        tooltip="Show the last answer or the machine at the right, both, or none (140 columns)",
    ),
    Binding(
        "pageup",
        "scroll_talk(-1)",
        "page up",
        show=False,
        id="chat.page-up",
        tooltip="Scroll the conversation up",
        priority=True,
    ),
    Binding(
        "pagedown",
        "scroll_talk(1)",
        "page down",
        show=False,
        id="chat.page-down",
        tooltip="Scroll the conversation down",
        priority=True,
    ),
    Binding(
        "ctrl+end",
        "scroll_end",
        "end",
        show=False,
        id="chat.end",
        tooltip="Go to the end and follow it",
        priority=True,
    ),
)
