#!/bin/sh
# link.sh install|uninstall FOLDER: a link to this checkout's venom-tui in a folder of the user's.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
target=$root/.venv/bin/venom-tui
link=$2/venom-tui

ours() { [ -L "$link" ] && case $(readlink "$link") in */.venv/bin/venom-tui) true ;; *) false ;; esac; }

if [ "$1" = uninstall ]; then
    if ours; then
        rm "$link"
        echo "Removed $link."
    elif [ -e "$link" ]; then
        echo "$link is not a link made by make install; it stays." >&2
        exit 1
    else
        echo "$link is not there."
    fi
    exit 0
fi

if [ -e "$link" ] && ! ours; then
    echo "make install: $link is there already and was not made by make install. Move it away, or choose another folder: make install BIN_DIR=FOLDER" >&2
    exit 1
fi
mkdir -p "$2"
ln -sfn "$target" "$link"
echo "$link now starts venom-tui."
case ":$PATH:" in
*":$2:"*) ;;
*) echo "$2 is not on your PATH: give the whole path, or add to ~/.profile: export PATH=\"$2:\$PATH\"" ;;
esac
echo "From another machine: ssh -t HOST $link"
