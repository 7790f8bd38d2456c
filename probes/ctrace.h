/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire contract: what the probes write into the ring buffer and tracer/sources/ebpf/wire.py reads.
 *
 * One record starts with struct ct_header; `type` says which of the structs below it is. Integers are in the
 * machine's byte order, fields are naturally aligned without hidden padding, and a record is a multiple of 8 bytes
 * except for those that end in text, whose length `len` tells. Numbers of tasks are those of the initial pid
 * namespace unless the name says otherwise. Described for people in docs/reference/events.md.
 *
 * Offsets into the kernel's own structs never appear here: see fields.h.
 */
#ifndef CTRACE_H
#define CTRACE_H

#define CT_WIRE_VERSION 1

enum ct_type {
	CT_CLONE = 1,	/* header: the creator */
	CT_EXEC = 2,	/* header: the caller, after it took its leader's number */
	CT_EXIT = 3,	/* header: the task that dies; its children have not moved yet */
	CT_FREE = 4,	/* header: a thread group leader that was reaped; written an RCU grace period later */
	CT_WAIT = 5,	/* header: the task whose wait4 or waitid returned */
	CT_PRCTL = 6,	/* header: the caller of a successful prctl */
	CT_RENAME = 7,	/* header: the renamed task */
	CT_PIDNS = 8,	/* header: the caller of a successful unshare or setns that concerns pid namespaces */
	CT_STATE = 9,	/* header: a thread group leader that a walk over all processes found */
	CT_CGROUP = 10,	/* header: the leader of a process that was moved to another cgroup */
};

enum ct_limits {
	CT_COMM_LEN = 16,	/* TASK_COMM_LEN */
	CT_NS_MAX = 8,		/* nested pid namespaces whose numbers are kept (the kernel allows 32) */
	CT_FILENAME_MAX = 1024,	/* bytes, NUL included; a longer filename is cut */
	CT_ARGS_MAX = 4096,	/* bytes of argv; what is longer is cut, args_total tells */
	CT_PATH_MAX = 1024,	/* bytes of a cgroup's path, NUL included; a longer one is cut */
	CT_WALK_MAX = 64,	/* processes per call of the walk: each costs the kernel's verifier time when the probes are loaded */
};

enum ct_flags {
	CT_F_SUBREAPER = 1,	/* the header's process has is_child_subreaper */
	CT_F_GROUP_DEAD = 2,	/* EXIT: no thread of the process lives (two that exit at once can both say so) */
	CT_F_AUTOREAP = 4,	/* EXIT: the parent ignores SIGCHLD; if it still does when the kernel looks, there is no zombie */
	CT_F_TRACED = 8,	/* EXIT: a ptracer waits for this task besides its parent */
	CT_F_FOLLOWED = 16,	/* EXEC: not tracked until now; this program's name made it so */
	CT_F_ZOMBIE = 32,	/* STATE: exit_state is set */
	CT_F_MEMBER = 128,	/* CLONE: the creator was in the map of tracked processes, and so the child is, too */
	CT_F_OWN_COMM = 64,	/* CLONE: the child's name is not that of its creator's leader (a thread had another) */
};

/* What the map of tracked processes holds per tgid. */
enum ct_mode {
	CT_MEMBER = 1,		/* everything it does and creates is recorded */
	CT_ANCESTOR = 2,	/* recorded, but what it creates is not */
};

/* Slots of the counters array. */
enum ct_counter {
	CT_LOST = 0,		/* records that found no room in the ring buffer */
	CT_UNTRACKED = 1,	/* processes that found no room in the map of tracked ones */
	CT_ALL = 2,		/* setting: not 0 records every process */
	CT_WALK_NEXT = 3,	/* task_struct at which the walk goes on; 0: begin, 1: it has ended */
	CT_WALK_START = 4,	/* start_boottime of that task, to know that it is still the same */
	CT_CALLER = 5,		/* setting: tgid of the tracer, whose prctl(CT_WALK_PRCTL) walks */
	CT_FOLLOWING = 6,	/* setting: number of names in the map of followed programs */
	CT_HIERARCHY = 7,	/* setting: 1 + id of the cgroup hierarchy whose moves are recorded (0: the unified one) */
	CT_IN_TURNS = 8,	/* setting: not 0 where programs that can be preempted are attached three times */
	CT_MARKS = 9,		/* marks that were set and not taken away yet */
	CT_COUNTERS = 10,
};

/* An option that no kernel has: prctl(this) by the tracer asks for CT_WALK_MAX more CT_STATE records. */
#define CT_WALK_PRCTL 0x63747763

struct ct_header {
	__u16 type;		/* enum ct_type */
	__u16 len;		/* bytes, this header included */
	__u32 lost;		/* counter CT_LOST when this record was written, modulo 2^32 */
	__u64 time;		/* ns, CLOCK_BOOTTIME */
	__u64 start;		/* start_boottime of the header's task: with tid, who it is */
	__u32 tid;
	__u32 tgid;
};

struct ct_clone {
	struct ct_header h;
	__u64 clone_flags;	/* CLONE_* without the exit signal */
	__u64 child_start;
	__u64 cgroup;		/* id of the child's cgroup in the unified hierarchy; there is none for version 1 */
	__u32 child;
	__u32 child_tgid;
	__u32 parent;		/* the child's real_parent: the thread ... */
	__u32 parent_tgid;	/* ... and its process */
	__s32 exit_signal;	/* -1: a thread */
	__u32 flags;		/* CT_F_SUBREAPER: the creator's; CT_F_OWN_COMM */
	__u32 pidns;		/* inode number of the child's pid namespace */
	__u32 level;		/* its depth: 0 is the initial one */
	__u32 ns_pids[CT_NS_MAX];	/* the child's numbers at levels 1, 2, ...; 0: none */
	char comm[CT_COMM_LEN];	/* the child's */
};

struct ct_exec {
	struct ct_header h;
	__u32 old_tid;		/* the caller's number before */
	__u32 parent_tgid;
	__u32 flags;
	__u32 args_total;	/* bytes of the whole argv, NULs included */
	__u16 filename_len;	/* bytes in data[], NUL left out */
	__u16 args_len;		/* bytes in data[] after the filename; arguments end with NUL */
	__u32 level;
	__u32 pidns;
	__u32 ns_pid;		/* number in the innermost pid namespace */
	char comm[CT_COMM_LEN];
	char data[];
};

struct ct_exit {
	struct ct_header h;
	__u32 status;		/* as wait(2) fills it in: GROUP_DEAD: of the process (the last to say so is right) */
	__u32 parent_tgid;
	__u32 flags;
	__u32 pad;
};

struct ct_free {
	struct ct_header h;
	__u64 parent_start;	/* who its last real_parent was; that memory may be reused: check the pair */
	__u32 parent;
	__u32 parent_tgid;
};

struct ct_wait {
	struct ct_header h;
	__u32 child;		/* number in the caller's pid namespace */
	__u32 level;		/* depth of that namespace */
};

struct ct_prctl {
	struct ct_header h;
	__u32 option;		/* PR_SET_CHILD_SUBREAPER or PR_SET_PDEATHSIG */
	__u32 pad;
	__u64 arg;
};

struct ct_rename {
	struct ct_header h;
	char comm[CT_COMM_LEN];
};

struct ct_pidns {
	struct ct_header h;
	__u32 pidns;		/* inode number of the namespace in which children will be born */
	__u32 level;
	__u32 joined;		/* 1: setns, 0: unshare */
	__u32 pad;
};

struct ct_state {
	struct ct_header h;
	__u64 parent_start;
	__u32 parent;
	__u32 parent_tgid;
	__u32 flags;
	__u32 pidns;
	__u32 level;
	__s32 pdeath_signal;	/* of the leader thread */
};

struct ct_cgroup {
	struct ct_header h;
	__u32 path_len;		/* bytes in path[], NUL left out */
	__u32 pad;
	char path[];
};

/* Value of the map of tracked processes; the key is the tgid. */
struct ct_tracked {
	__u64 start;		/* start_boottime of the leader: numbers are reused. 0: not known */
	__u32 mode;		/* enum ct_mode */
	__u32 pad;
};

/* Key of the map of followed programs. */
struct ct_comm_key {
	char comm[CT_COMM_LEN];
};

/*
 * Not on the wire. Records that end in text are made here first: a ring buffer reservation needs a constant size.
 * Each program that makes such has its own, those of exec by their turns: another may run on this CPU while it is
 * preempted.
 */
enum { LAST_TURN = 2, TEXT_CGROUP, CT_TEXTS };

struct ct_text_scratch {
	union {
		struct ct_exec exec;
		struct ct_cgroup cgroup;
	};
	char data[CT_FILENAME_MAX + CT_ARGS_MAX];
};

#endif
