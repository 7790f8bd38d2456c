/* The page that the harness and every task of a random tree share: a file, mapped at one address by every image. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

#define CONTROL_ADDRESS ((void *)0x100000000UL)
#define CONTROL_FD 200
#define CONTROL_SIZE 4096
#define NS_SLOTS 16

/* Field order and sizes are known to harness.py (CONTROL_FORMAT). */
struct control {
    _Atomic uint32_t round;     /* the futex that every task waits on when it has done its share of this round */
    uint32_t max_tasks;         /* creations that the whole run may make */
    uint64_t seed;
    uint32_t kinds;             /* KIND_* */
    uint32_t max_depth;
    _Atomic uint32_t created;
    int32_t keeper;             /* nobody kills this */
    int32_t tracer;             /* nor this: the root's parent */
    _Atomic uint32_t ns_count;
    _Atomic int32_t ns_inits[NS_SLOTS]; /* inits of nested pid namespaces, as /proc numbers them */
};

/* What a tree may contain; harness.py has the same names (KINDS). */
enum kind {
    KIND_FORK = 1 << 0,
    KIND_VFORK = 1 << 1,
    KIND_CLONE3 = 1 << 2,
    KIND_PARENT = 1 << 3,   /* CLONE_PARENT */
    KIND_THREAD = 1 << 4,
    KIND_VM = 1 << 5,       /* a process that shares memory */
    KIND_SUBREAPER = 1 << 6,
    KIND_EXEC = 1 << 7,
    KIND_EXIT = 1 << 8,
    KIND_SETSID = 1 << 9,
    KIND_PDEATHSIG = 1 << 10,
    KIND_PIDNS = 1 << 11,   /* CLONE_NEWPID and unshare */
    KIND_SETNS = 1 << 12,
    KIND_WAIT = 1 << 13,
    KIND_KILL = 1 << 14,
    KIND_NAME = 1 << 15,    /* hostile comm and argv */
    KIND_REUSE = 1 << 16,   /* clone3 set_tid and ns_last_pid: numbers come back */
    KIND_AUTOREAP = 1 << 17, /* SIGCHLD ignored: not visible without rt_sigaction */
    KIND_UNTRACED = 1 << 18, /* CLONE_UNTRACED: children that strace never sees */
    KIND_PRINT = 1 << 19,    /* text on stderr, for logs that share it */
};

#endif
