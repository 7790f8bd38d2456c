#!/bin/bash
# git and its helpers, with an editor that stays open. Needs: git
cd "$T" || exit
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q a
for i in 1 2 3; do
    git -C a commit -q --allow-empty -m "$i"
done
git clone -q "file://$T/a" b
git -C b gc -q
GIT_EDITOR='sh -c "touch $DONE; sleep 900"' git -C b commit --allow-empty -q
