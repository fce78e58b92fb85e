"""The terminal: all that venom-tui needs of Textual's private parts, in this one place.

Nothing is imported here, so that `environment.prepare` can run before textual is imported.

- `environment.prepare(plain_output)` sets what Textual reads when it is imported. The command line calls it first.
- `app.TerminalApp` is the base of our application: driver, display, signals, memory. `TerminalApp(plain_output=True)`
  (setting VENOM_PLAIN_OUTPUT) leaves Textual's own driver and renderer in place.
- `app.terminal` is what widgets may use (class `terminal.Terminal`):
  - `scroll_rows(widget, by) -> bool`: let the terminal itself move the rows of a widget by `by` lines (positive: up, as
    when text is added at the end) before the next repaint. True: the rows that moved need no repaint, the widget
    refreshes only those that came into view or changed. False (switched off, no real terminal, something lies over the
    widget, frames are being dropped): the widget refreshes every row that differs. Call it only when what the screen
    shows of the widget is what it last refreshed.
  - `invalidate()`: forget what the terminal shows; all is drawn anew with the next repaint.
  - `set_mouse(enabled)`: mouse reporting on or off while running.
- `TerminalApp.orderly_quit(reason)` is awaited on SIGTERM, SIGHUP and a closed terminal; the default exits.
"""
