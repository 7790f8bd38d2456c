/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What all programs share: reading memory of the kernel, writing records, who is recorded, and programs in turns.
 */
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
