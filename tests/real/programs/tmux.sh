#!/bin/sh
# A server that leaves its client. Needs: tmux
export TERM=xterm TMUX_TMPDIR="$T"
tmux -L x new-session -d 'sleep 901'
tmux -L x new-window -d 'sh -c "sleep 902 | cat"'
tmux -L x split-window -d 'sleep 903 & wait'
tmux -L x new-window -d 'true'
tmux -L x run-shell -b 'sleep 904'
sleep 0.5
touch "$DONE"
exec sleep 900
