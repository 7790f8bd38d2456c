"""The files of `strace -ff`: one for each task, brought into one order."""
