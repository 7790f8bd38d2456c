/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * A walk over all processes, for what /proc does not show.
 */
#define CT_EXIT_DEAD 16 /* include/linux/sched.h: released, unlinked from the list of processes */

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
