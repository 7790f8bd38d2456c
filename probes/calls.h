/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * System calls that change what the tree will become, and waits.
 */

/* include/uapi: constants that cannot change. */
#define CT_CLONE_NEWPID 0x20000000
#define CT_PR_SET_PDEATHSIG 1
#define CT_PR_SET_CHILD_SUBREAPER 36
#define CT_WNOWAIT 0x01000000
#define CT_SIGINFO_PID 16 /* offset of si_pid in struct siginfo, 64-bit */
#define CT_EINVAL 22

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
