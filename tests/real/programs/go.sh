#!/bin/sh
# Go: sixty commands at once, threads that end, a subreaper, a pid namespace, pdeath_signals. Needs: go
export HOME=$T GOCACHE=$T/cache GO111MODULE=off
go build -o "$T/spawn" "$HERE/spawn.go" && exec "$T/spawn"
