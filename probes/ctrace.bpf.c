/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes: raw tracepoints only (some kernels have no kprobes, and these need neither tracefs nor event formats).
 * Everything is read from the task_struct that the tracepoint hands over, at offsets of the running kernel (fields.h).
 * Records are those of ctrace.h. Loaders: tracer/sources/ebpf/core.py and bcc.py.
 *
 *   task_newtask        (task, clone_flags)    copy_process(), after the child is linked in, before it can run
 *   sched_process_exec  (task, old_pid, bprm)  exec_binprm(), the new program is loaded
 *   sched_process_exit  (task)                 do_exit(), PF_EXITING is set, exit_notify() is still to come
 *   sched_process_free  (task)                 delayed_put_task_struct(), an RCU grace period after release_task()
 *   task_rename         (task, comm)           __set_task_comm(), the old name is still in place
 *   cgroup_attach_task  (cgroup, path, task)   cgroup_attach_task(), once per process that is moved
 *   sys_exit            (regs, ret)            prctl, wait4, waitid, unshare, setns; 64-bit callers
 */
#if defined(CT_CORE)
#include "compat_core.h"
#else
#include "compat_bcc.h"
#endif

#define READ(type, base, offset)                                                              \
	({                                                                                    \
		type value_ = 0;                                                              \
		bpf_probe_read_kernel(&value_, sizeof(value_), (void *)(base) + (offset));    \
		value_;                                                                       \
	})
/* x, which is at most `mask` (all ones), made plain to the verifier: the compiler would leave out a mere `&`. */
#define BOUND(x, mask)                                                                        \
	({                                                                                    \
		asm volatile("" : "+r"(x));                                                   \
		x &= (mask);                                                                  \
	})
#define READ_PTR(base, offset) ((void *)READ(u64, base, offset))

/* include/uapi: constants that cannot change. */
#define CT_CSIGNAL 0xff
#define CT_CLONE_NEWPID 0x20000000
#define CT_PR_SET_PDEATHSIG 1
#define CT_PR_SET_CHILD_SUBREAPER 36
#define CT_SIGCHLD 17
#define CT_SIG_IGN 1
#define CT_SA_NOCLDWAIT 2
#define CT_WNOWAIT 0x01000000
#define CT_SIGINFO_PID 16 /* offset of si_pid in struct siginfo, 64-bit */
#define CT_EINVAL 22
#define CT_EXIT_DEAD 16 /* include/linux/sched.h: released, unlinked from the list of processes */
#define CT_SIGNAL_GROUP_EXIT 4 /* include/linux/sched/signal.h */

#if defined(CT_X86_64)
enum { NR_PRCTL = 157, NR_WAIT4 = 61, NR_WAITID = 247, NR_UNSHARE = 272, NR_SETNS = 308 };
#define USER_CS 0x33 /* a 64-bit caller; others number their system calls differently */
#define SYSCALL_NR(regs) READ(u64, regs, off_pt_regs_orig_ax())
#define SYSCALL_64(regs) (READ(u16, regs, off_pt_regs_cs()) == USER_CS)
#define SYSCALL_ARG0(regs) READ(u64, regs, off_pt_regs_di())
#define SYSCALL_ARG1(regs) READ(u64, regs, off_pt_regs_si())
#define SYSCALL_ARG2(regs) READ(u64, regs, off_pt_regs_dx())
#define SYSCALL_ARG3(regs) READ(u64, regs, off_pt_regs_r10())
#else /* arm64: the return value has replaced regs[0] */
enum { NR_PRCTL = 167, NR_WAIT4 = 260, NR_WAITID = 95, NR_UNSHARE = 97, NR_SETNS = 268 };
#define SYSCALL_NR(regs) READ(s32, regs, off_pt_regs_syscallno())
#define SYSCALL_64(regs) 1
#define SYSCALL_ARG0(regs) READ(u64, regs, off_pt_regs_orig_x0())
#define SYSCALL_ARG1(regs) READ(u64, regs, off_pt_regs_regs() + 8)
#define SYSCALL_ARG2(regs) READ(u64, regs, off_pt_regs_regs() + 16)
#define SYSCALL_ARG3(regs) READ(u64, regs, off_pt_regs_regs() + 24)
#endif

/* ---- the ring buffer ---- */

/*
 * The reader looks every few milliseconds anyway, and waking it for each record would slow down whom we watch:
 * it is woken early only after so many records of one CPU.
 */
#define WAKE_EVERY 512

static __always_inline u64 wake_flags(void)
{
	u64 *records = written_get();

	return records && ++*records % WAKE_EVERY == 0 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void count(u32 slot)
{
	u64 *value = counter(slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

static __always_inline u64 setting(u32 slot)
{
	u64 *value = counter(slot);

	return value ? *value : 0;
}

static __always_inline void fill_header(struct ct_header *h, u16 type, u16 len, void *task)
{
	h->type = type;
	h->len = len;
	h->lost = setting(CT_LOST);
	h->time = bpf_ktime_get_boot_ns();
	h->start = READ(u64, task, off_task_struct_start_boottime());
	h->tid = READ(u32, task, off_task_struct_pid());
	h->tgid = READ(u32, task, off_task_struct_tgid());
}

/* Declares `r`, a reserved record whose header is of `task`, or counts the loss and returns from the program. */
#define RESERVE(r, kind, type, task)                                                          \
	struct kind *r = ring_reserve(sizeof(struct kind));                                   \
	if (!r) {                                                                             \
		count(CT_LOST);                                                               \
		return 0;                                                                     \
	}                                                                                     \
	fill_header(&r->h, type, sizeof(struct kind), task)

/* ---- who is recorded ---- */

/* 0, or the enum ct_mode of the process. */
static __always_inline u32 mode_of(u32 tgid)
{
	struct ct_tracked *entry;

	if (setting(CT_ALL))
		return CT_MEMBER;
	entry = tracked_get(tgid);
	return entry ? entry->mode : 0;
}

static __always_inline void track(u32 tgid, u64 start)
{
	struct ct_tracked value = {.start = start, .mode = CT_MEMBER};

	if (tracked_set(tgid, &value))
		count(CT_UNTRACKED);
}

/* ---- programs that are preempted ---- */

/*
 * Where tracepoints can be preempted (SRCU guards them since Linux 7.0), the kernel leaves a run of a program out while
 * a task that was preempted in the same program waits for this processor (__bpf_trace_run(): recursion_misses). There
 * each program is attached three times. The three run one after the other in the same task: whichever comes first marks
 * what it takes care of, and the last one takes the mark away. An event is lost only if all were left out, for which
 * three others must have been preempted at the same time. How often that was:
 *
 *     misses of the last program - (marks set - marks taken away)
 *
 * A last run that was left out leaves its mark behind. Should the first be left out the next time, then this old mark
 * is found, nothing is done, and the difference tells that, too.
 */
enum { ON_NEWTASK, ON_EXEC, ON_EXIT, ON_RENAME };

static __always_inline void count_marks(u64 difference)
{
	u64 *value = counter(CT_MARKS);

	if (value)
		__sync_fetch_and_add(value, difference);
}

static __always_inline int handled(u32 turn, u32 program)
{
	u64 key = (bpf_get_current_pid_tgid() & 0xffffffff) << 8 | program;

	if (turn == LAST_TURN) {
		if (mark_del(key))
			return 0;
		count_marks(-1);
		return 1;
	}
	if (turn == 0 && !setting(CT_IN_TURNS))
		return 0;
	if (turn && mark_is_set(key))
		return 1;
	if (mark_set(key))
		return 1; /* no room: the last one does it */
	count_marks(1);
	return 0;
}

/* ---- reading a task ---- */

static __always_inline u32 subreaper_flag(void *task)
{
	void *signal = READ_PTR(task, off_task_struct_signal());

	return READ(u8, signal, off_signal_struct_is_child_subreaper()) & mask_signal_struct_is_child_subreaper()
		       ? CT_F_SUBREAPER
		       : 0;
}

static __always_inline u32 parent_tgid(void *task)
{
	return READ(u32, READ_PTR(task, off_task_struct_real_parent()), off_task_struct_tgid());
}

/* struct upid of `pid` at `level`. */
static __always_inline void *upid_at(void *pid, u32 level)
{
	return pid + off_pid_numbers() + level * size_upid();
}

static __always_inline u32 pidns_inum(void *pid, u32 level)
{
	void *ns = READ_PTR(upid_at(pid, level), off_upid_ns());

	return READ(u32, ns, off_pid_namespace_inum());
}

static __always_inline u64 cgroup_id(void *task)
{
	void *set = READ_PTR(task, off_task_struct_cgroups());
	void *cgroup = READ_PTR(set, off_css_set_dfl_cgrp());

	return READ(u64, READ_PTR(cgroup, off_cgroup_kn()), off_kernfs_node_id());
}

/* ---- birth ---- */

/* Fills in the name of `child`, which it has from the thread that created it. */
static __always_inline u32 own_comm_flag(char *comm, void *child, void *creator)
{
	u64 own[2] = {}, leaders[2] = {};
	void *leader = READ_PTR(creator, off_task_struct_group_leader());

	bpf_probe_read_kernel(own, sizeof(own), child + off_task_struct_comm());
	bpf_probe_read_kernel(leaders, sizeof(leaders), leader + off_task_struct_comm());
	__builtin_memcpy(comm, own, sizeof(own));
	return own[0] == leaders[0] && own[1] == leaders[1] ? 0 : CT_F_OWN_COMM;
}

RAW_TRACEPOINT_IN_TURNS(on_newtask, task_newtask)
{
	void *child = (void *)ARG(0);
	u64 clone_flags = ARG(1);
	void *creator = (void *)bpf_get_current_task();
	u32 creator_tgid = bpf_get_current_pid_tgid() >> 32;
	u32 tgid = READ(u32, child, off_task_struct_tgid());
	u64 start = READ(u64, child, off_task_struct_start_boottime());
	struct ct_tracked *entry = tracked_get(creator_tgid);
	int member = entry && entry->mode == CT_MEMBER;
	void *parent, *pid;
	u32 level;

	if (handled(turn, ON_NEWTASK))
		return 0;
	if (member && tgid != creator_tgid) {
		track(tgid, start);
	} else if (!member && tgid != creator_tgid && tracked_get(tgid)) {
		tracked_del(tgid); /* the number of a process that is gone, used again by someone else */
	}
	if (!member && !setting(CT_ALL) && !(entry && tgid == creator_tgid))
		return 0;

	RESERVE(r, ct_clone, CT_CLONE, creator);
	r->clone_flags = clone_flags & ~(u64)CT_CSIGNAL;
	r->child_start = start;
	r->cgroup = cgroup_id(child);
	r->child = READ(u32, child, off_task_struct_pid());
	r->child_tgid = tgid;
	parent = READ_PTR(child, off_task_struct_real_parent());
	r->parent = READ(u32, parent, off_task_struct_pid());
	r->parent_tgid = READ(u32, parent, off_task_struct_tgid());
	r->exit_signal = READ(u32, child, off_task_struct_exit_signal());
	r->flags = subreaper_flag(creator) | own_comm_flag(r->comm, child, creator) | (member ? CT_F_MEMBER : 0);
	pid = READ_PTR(child, off_task_struct_thread_pid());
	level = READ(u32, pid, off_pid_level());
	r->level = level;
	r->pidns = pidns_inum(pid, level);
#pragma unroll
	for (u32 i = 0; i < CT_NS_MAX; i++)
		r->ns_pids[i] = i < level ? READ(u32, upid_at(pid, i + 1), off_upid_nr()) : 0;
	ring_submit(r, wake_flags());
	return 0;
}

/* ---- exec ---- */

/* Is it a program that the user asked to follow, started by someone who is not tracked? */
static __always_inline int follow(u32 tgid, u64 start, struct ct_comm_key *key)
{
	if (!setting(CT_FOLLOWING) || !followed_get(key))
		return 0;
	track(tgid, start);
	return 1;
}

RAW_TRACEPOINT_IN_TURNS(on_exec, sched_process_exec)
{
	void *task = (void *)ARG(0);
	void *bprm = (void *)ARG(2);
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 mode = mode_of(tgid), flags = 0;
	struct ct_text_scratch *s = scratch_get(turn);
	struct ct_exec *r;
	void *mm, *pid;
	u64 args, end, total, room, len, size;
	long got;

	if (!s || handled(turn, ON_EXEC))
		return 0;
	r = &s->exec;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), task + off_task_struct_comm());
	if (!mode) {
		if (!follow(tgid, READ(u64, task, off_task_struct_start_boottime()), (struct ct_comm_key *)r->comm))
			return 0;
		flags = CT_F_FOLLOWED;
	}
	r->old_tid = ARG(1);
	r->parent_tgid = parent_tgid(task);
	r->flags = flags | subreaper_flag(task);
	pid = READ_PTR(task, off_task_struct_thread_pid());
	r->level = READ(u32, pid, off_pid_level());
	r->pidns = pidns_inum(pid, r->level);
	r->ns_pid = READ(u32, upid_at(pid, r->level), off_upid_nr());

	got = bpf_probe_read_kernel_str(r->data, CT_FILENAME_MAX, READ_PTR(bprm, off_linux_binprm_filename()));
	len = got > 0 ? got - 1 : 0;
	BOUND(len, CT_FILENAME_MAX - 1);
	r->filename_len = len;

	mm = READ_PTR(task, off_task_struct_mm());
	args = READ(u64, mm, off_mm_struct_arg_start());
	end = READ(u64, mm, off_mm_struct_arg_end());
	total = end > args ? end - args : 0;
	room = total < CT_ARGS_MAX ? total : CT_ARGS_MAX - 1;
	BOUND(room, CT_ARGS_MAX - 1);
	if (bpf_probe_read_user(r->data + len, room, (void *)args))
		room = 0; /* paged out already: args_total still says that there were some */
	r->args_total = total;
	r->args_len = room;

	size = sizeof(*r) + len + room;
	BOUND(size, 0x1fff); /* more than sizeof(*s), and all ones */
	fill_header(&r->h, CT_EXEC, size, task);
	if (size > sizeof(*s) || ring_output(s, size, wake_flags()))
		count(CT_LOST);
	return 0;
}

/* ---- death ---- */

/* do_notify_parent(): a parent that ignores SIGCHLD, or set SA_NOCLDWAIT, never sees a zombie. */
static __always_inline u32 autoreap_flag(void *task)
{
	void *leader = READ_PTR(task, off_task_struct_group_leader());
	void *parent = READ_PTR(task, off_task_struct_real_parent());
	void *action = READ_PTR(parent, off_task_struct_sighand()) + off_sighand_struct_action() +
		       (CT_SIGCHLD - 1) * size_k_sigaction();

	if (READ(u32, leader, off_task_struct_exit_signal()) != CT_SIGCHLD)
		return 0;
	if (READ(u64, action, off_k_sigaction_handler()) == CT_SIG_IGN ||
	    READ(u64, action, off_k_sigaction_flags()) & CT_SA_NOCLDWAIT)
		return CT_F_AUTOREAP;
	return 0;
}

/*
 * wait_task_zombie(): what the process's parent is told. Since Linux 6.0 that is the status of the thread that came last
 * into do_exit() (synchronize_group_exit()), before of the leader, unless exit_group or a signal ended them all. Each
 * thread has left it there before its record finds room in the ring buffer, so the last record has it right.
 */
static __always_inline u32 process_status(void *task, void *signal)
{
	if (READ(u32, signal, off_signal_struct_flags()) & CT_SIGNAL_GROUP_EXIT)
		return READ(u32, signal, off_signal_struct_group_exit_code());
	return READ(u32, READ_PTR(task, off_task_struct_group_leader()), off_task_struct_exit_code());
}

RAW_TRACEPOINT_IN_TURNS(on_exit, sched_process_exit)
{
	void *task = (void *)ARG(0);
	void *signal;
	u32 flags, status;

	if (handled(turn, ON_EXIT) || !mode_of(READ(u32, task, off_task_struct_tgid())))
		return 0;
	RESERVE(r, ct_exit, CT_EXIT, task);
	flags = subreaper_flag(task);
	signal = READ_PTR(task, off_task_struct_signal());
	if (READ(u32, task, off_task_struct_ptrace()))
		flags |= CT_F_TRACED;
	status = READ(u32, task, off_task_struct_exit_code());
	if (READ(u32, signal, off_signal_struct_live()) == 0) {
		flags |= CT_F_GROUP_DEAD;
		status = process_status(task, signal);
		if (!(flags & CT_F_TRACED))
			flags |= autoreap_flag(task);
	}
	r->status = status;
	r->parent_tgid = parent_tgid(task);
	r->flags = flags;
	r->pad = 0;
	ring_submit(r, wake_flags());
	return 0;
}

/* Nothing preempts this one: RCU's callbacks run as softirqs, or with softirqs off. */
RAW_TRACEPOINT(on_free, sched_process_free)
{
	void *task = (void *)ARG(0);
	u32 tgid = READ(u32, task, off_task_struct_tgid());
	u64 start = READ(u64, task, off_task_struct_start_boottime());
	struct ct_tracked *entry;
	void *parent;

	/* Only leaders. After de_thread() the old leader's task_struct carries the thread's number. */
	if (READ(u32, task, off_task_struct_pid()) != tgid)
		return 0;
	entry = tracked_get(tgid);
	if (entry && (entry->start == start || !entry->start))
		tracked_del(tgid);
	else if (!setting(CT_ALL))
		return 0;

	RESERVE(r, ct_free, CT_FREE, task);
	parent = READ_PTR(task, off_task_struct_real_parent());
	r->parent_start = READ(u64, parent, off_task_struct_start_boottime());
	r->parent = READ(u32, parent, off_task_struct_pid());
	r->parent_tgid = READ(u32, parent, off_task_struct_tgid());
	ring_submit(r, wake_flags());
	return 0;
}

/* ---- moves between cgroups ---- */

RAW_TRACEPOINT(on_cgroup, cgroup_attach_task)
{
	void *cgroup = (void *)ARG(0);
	void *task = (void *)ARG(2);
	struct ct_text_scratch *s;
	struct ct_cgroup *r;
	u64 len, size;
	long got;

	if (!mode_of(READ(u32, task, off_task_struct_tgid())))
		return 0;
	if (setting(CT_HIERARCHY) != 1 + (u64)READ(u32, READ_PTR(cgroup, off_cgroup_root()), off_cgroup_root_hierarchy_id()))
		return 0;
	s = scratch_get(TEXT_CGROUP);
	if (!s)
		return 0;
	r = &s->cgroup;
	got = bpf_probe_read_kernel_str(r->path, CT_PATH_MAX, (void *)ARG(1));
	len = got > 0 ? got - 1 : 0;
	BOUND(len, CT_PATH_MAX - 1);
	r->path_len = len;
	r->pad = 0;
	size = sizeof(*r) + len;
	BOUND(size, 0x7ff);
	fill_header(&r->h, CT_CGROUP, size, task);
	if (ring_output(s, size, wake_flags()))
		count(CT_LOST);
	return 0;
}

/* ---- names ---- */

RAW_TRACEPOINT_IN_TURNS(on_rename, task_rename)
{
	void *task = (void *)ARG(0);
	void *current_task = (void *)bpf_get_current_task();

	if (handled(turn, ON_RENAME) || !mode_of(READ(u32, task, off_task_struct_tgid())))
		return 0;
	/* An exec renames too, and has a record of its own. */
	if (task == current_task &&
	    READ(u8, task, off_task_struct_in_execve()) & mask_task_struct_in_execve())
		return 0;
	RESERVE(r, ct_rename, CT_RENAME, task);
	__builtin_memset(r->comm, 0, sizeof(r->comm));
	bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), (void *)ARG(1));
	ring_submit(r, wake_flags());
	return 0;
}

/* ---- a walk over all processes, for what /proc does not show ---- */

/* Not 0 where there is no room: nothing is lost then, the walk goes on here when the reader has made some. */
static __always_inline int write_state(void *task)
{
	struct ct_state *r = ring_reserve(sizeof(*r));
	void *parent, *pid;

	if (!r)
		return 1;
	fill_header(&r->h, CT_STATE, sizeof(*r), task);
	parent = READ_PTR(task, off_task_struct_real_parent());
	r->parent_start = READ(u64, parent, off_task_struct_start_boottime());
	r->parent = READ(u32, parent, off_task_struct_pid());
	r->parent_tgid = READ(u32, parent, off_task_struct_tgid());
	r->flags = subreaper_flag(task) | (READ(u32, task, off_task_struct_exit_state()) ? CT_F_ZOMBIE : 0);
	pid = READ_PTR(task, off_task_struct_thread_pid());
	r->level = READ(u32, pid, off_pid_level());
	r->pidns = pidns_inum(pid, r->level);
	r->pdeath_signal = READ(u32, task, off_task_struct_pdeath_signal());
	ring_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * CT_WALK_MAX processes of the kernel's list, beginning with the caller; the cursor is in the counters. Programs run
 * inside an RCU read section, so a `next` pointer met during one call stays readable; between calls the cursor's task
 * may be released, which its start time and exit_state tell: then the walk begins again. To make that rare the cursor
 * is the last task that has lived for a second, where there is one; who comes after it is told twice.
 */
#define STEADY_AGE 1000000000ULL

static __always_inline int walk(void)
{
	void *first = READ_PTR((void *)bpf_get_current_task(), off_task_struct_group_leader());
	u64 *next = counter(CT_WALK_NEXT), *next_start = counter(CT_WALK_START);
	void *task = first, *steady = NULL;
	u64 now = bpf_ktime_get_boot_ns();

	if (!next || !next_start)
		return 0;
	if (*next) {
		task = (void *)*next;
		if (READ(u64, task, off_task_struct_start_boottime()) != *next_start ||
		    READ(u32, task, off_task_struct_exit_state()) == CT_EXIT_DEAD)
			task = first;
	}
	for (int i = 0; i < CT_WALK_MAX; i++) {
		if (READ(u32, task, off_task_struct_pid()) && write_state(task))
			break;
		task = READ_PTR(task, off_task_struct_tasks()) - off_task_struct_tasks();
		if (task == first) {
			*next = 1;
			return 0;
		}
		if (i > CT_WALK_MAX / 2 && !READ(u32, task, off_task_struct_exit_state()) &&
		    now - READ(u64, task, off_task_struct_start_boottime()) > STEADY_AGE)
			steady = task;
	}
	if (steady && READ(u32, steady, off_task_struct_exit_state()) == 0)
		task = steady;
	*next = (u64)task;
	*next_start = READ(u64, task, off_task_struct_start_boottime());
	return 0;
}

/* ---- system calls that change what the tree will become ---- */

static __always_inline int after_prctl(void *task, void *regs, long ret)
{
	u32 option = SYSCALL_ARG0(regs);
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (option == CT_WALK_PRCTL && tgid == (u32)setting(CT_CALLER))
		return walk();
	if (ret || (option != CT_PR_SET_CHILD_SUBREAPER && option != CT_PR_SET_PDEATHSIG) || !mode_of(tgid))
		return 0;
	RESERVE(r, ct_prctl, CT_PRCTL, task);
	r->option = option;
	r->pad = 0;
	r->arg = SYSCALL_ARG1(regs);
	ring_submit(r, wake_flags());
	return 0;
}

static __always_inline int after_wait(void *task, u32 child)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 level = READ(u32, READ_PTR(task, off_task_struct_thread_pid()), off_pid_level());

	if (!child || (!mode_of(tgid) && (level || !mode_of(child))))
		return 0;
	RESERVE(r, ct_wait, CT_WAIT, task);
	r->child = child;
	r->level = level;
	ring_submit(r, wake_flags());
	return 0;
}

static __always_inline int after_waitid(void *task, void *regs)
{
	u64 info = SYSCALL_ARG2(regs);
	u32 child = 0;

	if (!info || SYSCALL_ARG3(regs) & CT_WNOWAIT)
		return 0;
	bpf_probe_read_user(&child, sizeof(child), (void *)info + CT_SIGINFO_PID);
	return after_wait(task, child);
}

static __always_inline int after_pidns(void *task, void *regs, int joined)
{
	u64 wanted = joined ? SYSCALL_ARG1(regs) : SYSCALL_ARG0(regs);
	void *pid, *own, *next;
	u32 level;

	if (!mode_of(bpf_get_current_pid_tgid() >> 32))
		return 0;
	pid = READ_PTR(task, off_task_struct_thread_pid());
	level = READ(u32, pid, off_pid_level());
	own = READ_PTR(upid_at(pid, level), off_upid_ns());
	next = READ_PTR(READ_PTR(task, off_task_struct_nsproxy()), off_nsproxy_pid_ns_for_children());
	/* setns with type 0 takes what the descriptor is: then a namespace other than the own one tells. */
	if (!(wanted & CT_CLONE_NEWPID) && (!joined || next == own))
		return 0;
	RESERVE(r, ct_pidns, CT_PIDNS, task);
	r->pidns = READ(u32, next, off_pid_namespace_inum());
	r->level = READ(u32, next, off_pid_namespace_level());
	r->joined = joined;
	r->pad = 0;
	ring_submit(r, wake_flags());
	return 0;
}

RAW_TRACEPOINT(on_sys_exit, sys_exit)
{
	void *regs = (void *)ARG(0);
	long ret = ARG(1);
	void *task;
	u64 nr;

	if (ret < 0 && ret != -CT_EINVAL)
		return 0;
	nr = SYSCALL_NR(regs);
	if (nr != NR_PRCTL && nr != NR_WAIT4 && nr != NR_WAITID && nr != NR_UNSHARE && nr != NR_SETNS)
		return 0;
	if (!SYSCALL_64(regs))
		return 0;
	task = (void *)bpf_get_current_task();
	if (nr == NR_PRCTL)
		return after_prctl(task, regs, ret);
	if (nr == NR_WAIT4)
		return ret > 0 ? after_wait(task, ret) : 0;
	if (ret)
		return 0;
	if (nr == NR_WAITID)
		return after_waitid(task, regs);
	return after_pidns(task, regs, nr == NR_SETNS);
}
