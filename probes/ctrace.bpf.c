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
#include "shared.h"
#include "walk.h"
#include "calls.h"

/* include/uapi and include/linux/sched/signal.h: constants that cannot change, or never did. */
#define CT_CSIGNAL 0xff
#define CT_SIGCHLD 17
#define CT_SIG_IGN 1
#define CT_SA_NOCLDWAIT 2
#define CT_SIGNAL_GROUP_EXIT 4

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
	struct ct_tracked *entry;
	struct ct_clone *r = NULL;
	int member, all;
	void *parent, *pid;
	u32 level;

	if (handled(turn, ON_NEWTASK))
		return 0;
	/*
	 * While everything is recorded the record has its place before the map is looked at. So whoever puts the creator
	 * into the map, and then reads all records up to the last place taken, finds this child among them, or the map
	 * told us that it is a member's (tracking.py, narrow()).
	 */
	all = setting(CT_ALL) != 0;
	if (all)
		r = ring_reserve(sizeof(*r));
	entry = tracked_get(creator_tgid);
	member = entry && entry->mode == CT_MEMBER;
	if (member && tgid != creator_tgid) {
		track(tgid, start);
	} else if (!member && tgid != creator_tgid && tracked_get(tgid)) {
		tracked_del(tgid); /* the number of a process that is gone, used again by someone else */
	}
	if (!all) {
		if (!member && !(entry && tgid == creator_tgid))
			return 0;
		r = ring_reserve(sizeof(*r));
	}
	if (!r) {
		count(CT_LOST);
		return 0;
	}
	fill_header(&r->h, CT_CLONE, sizeof(*r), creator);
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
