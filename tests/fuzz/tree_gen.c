/*
 * tree_gen CONTROL: grows a random process tree from the seed in the control file, round by round.
 *
 * Every task is a node with a 64-bit id; what it does in a round follows from (seed, id, round) alone, how the
 * nodes' doings interleave is left to the scheduler. At the end of its share a node waits on the round's futex, so
 * when all wait, nothing moves and /proc is the truth. Nodes are forks, threads, clones that share memory and
 * execs of this file (state in argv), so nothing here may rest on per-thread libc state: no malloc, no stdio.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control.h"

#define STACK_SIZE (64 * 1024)
#define KIDS 12
#define SIG_QUIET SIGURG /* ignored by default, so it can be an exit_signal or pdeath_signal that harms nobody */

static struct control *const ctl = CONTROL_ADDRESS;

struct node {
    uint64_t id;
    uint64_t rng;
    uint32_t depth;
    uint32_t kid_count;
    int is_thread;
    int in_vfork; /* the creator is blocked until we exec or exit: never wait for a round */
    pid_t kids[KIDS];
};

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x632be59bd9b4e019u);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t pick(struct node *n, uint32_t below)
{
    n->rng = mix(n->rng, 1);
    return (uint32_t)(n->rng >> 33) % below;
}

static int has(uint32_t kind)
{
    return (ctl->kinds & kind) != 0;
}

static long pick_signal(struct node *n, int allow_zero)
{
    static const int exit_signals[] = {SIGCHLD, SIGCHLD, SIG_QUIET, SIGWINCH, 0};
    return exit_signals[pick(n, allow_zero ? 5 : 4)];
}

static void run_node(struct node *n) __attribute__((noreturn));

/* ---- numbers as text, without stdio ---- */

static char *put_hex(char *out, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[value >> shift & 15];
    *out = 0;
    return out;
}

static uint64_t get_hex(const char *in)
{
    uint64_t value = 0;
    for (; *in; in++)
        value = value << 4 | (uint64_t)(*in <= '9' ? *in - '0' : *in - 'a' + 10);
    return value;
}

static char *put_decimal(char *out, unsigned value)
{
    char digits[12];
    int n = 0;
    do
        digits[n++] = (char)('0' + value % 10);
    while (value /= 10);
    while (n)
        *out++ = digits[--n];
    *out = 0;
    return out;
}

/* ---- starting nodes ---- */

static int may_create(struct node *n)
{
    return n->depth < ctl->max_depth && atomic_fetch_add(&ctl->created, 1) < ctl->max_tasks;
}

static struct node child_of(struct node *n)
{
    struct node child = {.id = mix(n->id, mix(n->rng, 77)), .depth = n->depth + 1};
    return child;
}

static void remember(struct node *n, long pid)
{
    if (pid > 0)
        n->kids[n->kid_count++ % KIDS] = (pid_t)pid;
}

/* Inits of nested namespaces register so that others can setns to them. /proc is the outer one everywhere. */
static void register_init(void)
{
    char text[16];
    ssize_t len = readlink("/proc/self", text, sizeof text - 1);
    if (len <= 0)
        return;
    int32_t number = 0;
    for (ssize_t i = 0; i < len; i++)
        number = number * 10 + (text[i] - '0');
    ctl->ns_inits[atomic_fetch_add(&ctl->ns_count, 1) % NS_SLOTS] = number;
}

static long raw_clone3(struct clone_args *args)
{
    return syscall(SYS_clone3, args, sizeof *args);
}

/* A child with a copy of our memory. `flags` may hold CLONE_PARENT, CLONE_NEWPID, CLONE_UNTRACED. */
static long copy_process(struct node *n, uint64_t flags, long exit_signal, pid_t wanted)
{
    int variant = (int)pick(n, 3);
    if (wanted || (variant == 0 && has(KIND_CLONE3))) {
        struct clone_args args = {.flags = flags, .exit_signal = flags & CLONE_PARENT ? 0 : (uint64_t)exit_signal};
        if (wanted) {
            args.set_tid = (uint64_t)&wanted;
            args.set_tid_size = 1;
        }
        return raw_clone3(&args);
    }
#ifdef SYS_fork
    if (variant == 1 && !flags && exit_signal == SIGCHLD)
        return syscall(SYS_fork);
#endif
    return syscall(SYS_clone, flags | (uint64_t)exit_signal, 0, 0, 0, 0);
}

static void start_copy(struct node *n, uint64_t flags, long exit_signal, pid_t wanted)
{
    if (!may_create(n))
        return;
    struct node child = child_of(n);
    long pid = copy_process(n, flags, exit_signal, wanted);
    if (pid == 0) {
        if (syscall(SYS_getpid) == 1)
            register_init();
        run_node(&child);
    }
    if (!(flags & CLONE_PARENT))
        remember(n, pid);
}

struct start {
    struct node node;
};

static int start_main(void *arg)
{
    struct start *start = arg;
    run_node(&start->node);
}

/* A child on a stack of its own: a thread, or a process that shares our memory. */
static void start_on_stack(struct node *n, uint64_t flags, long exit_signal)
{
    if (!may_create(n))
        return;
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return;
    struct start *start = (struct start *)(stack + STACK_SIZE - 1024);
    start->node = child_of(n);
    start->node.is_thread = (flags & CLONE_THREAD) != 0;
    start->node.in_vfork = (flags & CLONE_VFORK) != 0;
    char *top = (char *)start - 64;
#ifdef __x86_64__
    if (has(KIND_CLONE3) && !(flags & CLONE_VFORK) && pick(n, 2)) {
        struct clone_args args = {
            .flags = flags, .exit_signal = (uint64_t)exit_signal,
            .stack = (uint64_t)stack, .stack_size = (uint64_t)(top - stack) & ~15UL,
        };
        /* The child wakes on the new stack, so it may use registers only until it calls. */
        register struct start *kept __asm__("r12") = start;
        long pid;
        __asm__ volatile("syscall\n\t"
                         "test %%rax, %%rax\n\t"
                         "jnz 1f\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "mov %%r12, %%rdi\n\t"
                         "call *%[entry]\n\t"
                         "hlt\n"
                         "1:"
                         : "=a"(pid)
                         : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), "r"(kept), [entry] "r"(start_main)
                         : "rcx", "r11", "memory");
        if (!(flags & CLONE_THREAD))
            remember(n, pid);
        return;
    }
#endif
    long pid = clone(start_main, top, (int)(flags | (uint64_t)exit_signal), start);
    if (!(flags & (CLONE_THREAD | CLONE_PARENT)))
        remember(n, pid);
}

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* ---- exec ---- */

static const char *const odd_names[] = {
    "node", "a b", "x <unfinished ...>", ") = 7", "+++ exited with 0 +++", "1] clone(", "q\"uote\\", "nl\nnew",
    "[/red]", "\033[31m", "\302\233x", "\342\200\256bidi", "<... clone resumed>", "5<a>", "...", "", ", ...], 0x0",
    "strace: Process 1 attached", "\xff\xfe", "fork() = 9",
};
#define ODD_NAMES (sizeof odd_names / sizeof *odd_names)

static const char *odd_name(struct node *n)
{
    return odd_names[has(KIND_NAME) ? pick(n, ODD_NAMES) : 0];
}

static void exec_self(struct node *n)
{
    char id[20], depth[4] = {(char)('a' + n->depth % 26), 0};
    put_hex(id, mix(n->id, 0xe8ec));
    char *argv[] = {(char *)odd_name(n), id, depth, (char *)odd_name(n), NULL};
    char *envp[] = {NULL};
    if (pick(n, 4) == 0)
        syscall(SYS_execve, "/nonexistent/\"x) = 0", argv, envp);
    if (pick(n, 3) == 0) {
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
    }
    syscall(SYS_execve, "/proc/self/exe", argv, envp);
}

/* ---- what a node can do ---- */

static void end_self(struct node *n)
{
    switch (pick(n, 6)) {
    case 0:
        syscall(SYS_exit_group, pick(n, 256));
        break;
    case 1:
        if (has(KIND_KILL))
            syscall(SYS_kill, syscall(SYS_getpid), pick(n, 2) ? SIGKILL : SIGTERM);
        /* fall through */
    default: /* the calling thread only: a leader leaves its threads behind */
        syscall(SYS_exit, pick(n, 256));
    }
}

static void do_vfork(struct node *n)
{
    if (!may_create(n))
        return;
    struct node child = child_of(n);
    int exec = has(KIND_EXEC) && pick(n, 2);
    pid_t pid = vfork();
    if (pid == 0) {
        if (exec)
            exec_self(&child);
        _exit(3);
    }
    remember(n, pid);
}

static void do_double_fork(struct node *n)
{
    if (!may_create(n))
        return;
    struct node middle = child_of(n);
    int wait_for_it = (int)pick(n, 2);
    long pid = copy_process(n, 0, SIGCHLD, 0);
    if (pid == 0) {
        if (pick(&middle, 2))
            setsid();
        start_copy(&middle, 0, SIGCHLD, 0);
        if (pick(&middle, 2))
            start_copy(&middle, 0, SIGCHLD, 0);
        syscall(SYS_exit_group, 0);
    }
    if (wait_for_it && pid > 0)
        syscall(SYS_wait4, pid, NULL, 0, NULL);
    else
        remember(n, pid);
}

static void do_kill(struct node *n)
{
    static const int signals[] = {SIGKILL, SIGKILL, SIGTERM, SIGSEGV, SIG_QUIET, SIGHUP};
    int signal = signals[pick(n, 6)];
    pid_t target;
    if (pick(n, 4) == 0) {
        target = (pid_t)syscall(SYS_getppid);
        if (target <= 1 || target == ctl->keeper || target == ctl->tracer)
            return;
    } else {
        uint32_t known = n->kid_count < KIDS ? n->kid_count : KIDS;
        if (!known)
            return;
        target = n->kids[pick(n, known)];
    }
    syscall(SYS_kill, target, signal);
}

static void do_wait(struct node *n)
{
    siginfo_t info;
    uint32_t known = n->kid_count < KIDS ? n->kid_count : KIDS;
    pid_t one = known ? n->kids[pick(n, known)] : -1;
    switch (pick(n, 7)) {
    case 0:
        syscall(SYS_wait4, one, NULL, WNOHANG | __WALL, NULL);
        break;
    case 1:
        syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, NULL); /* looks, and leaves the zombie */
        break;
    case 2:
        syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | __WALL, NULL);
        break;
    case 3: {
        int status;
        syscall(SYS_wait4, -1, &status, WNOHANG | __WNOTHREAD, NULL);
        break;
    }
    case 4: /* until nothing is left to reap now */
        while (syscall(SYS_wait4, -1, NULL, WNOHANG, NULL) > 0)
            ;
        break;
    case 5: /* kill one and wait for its end */
        if (one > 0 && has(KIND_KILL) && !n->in_vfork) {
            syscall(SYS_kill, one, SIGKILL);
            syscall(SYS_wait4, one, NULL, 0, NULL);
        }
        break;
    default:
        syscall(SYS_waitid, P_PID, one, &info, WEXITED | WNOHANG, NULL);
    }
}

static void do_setns(struct node *n)
{
    uint32_t count = atomic_load(&ctl->ns_count);
    if (!count)
        return;
    int32_t number = ctl->ns_inits[pick(n, count < NS_SLOTS ? count : NS_SLOTS)];
    char path[48] = "/proc/";
    strcpy(put_decimal(path + 6, (unsigned)number), "/ns/pid");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    syscall(SYS_setns, fd, pick(n, 4) ? CLONE_NEWPID : 0);
    close(fd);
    start_copy(n, 0, SIGCHLD, 0);
}

static void do_pidns(struct node *n)
{
    if (pick(n, 3)) {
        start_copy(n, CLONE_NEWPID | (has(KIND_PARENT) && !pick(n, 8) ? CLONE_PARENT : 0), SIGCHLD, 0);
    } else {
        syscall(SYS_unshare, CLONE_NEWPID);
        start_copy(n, 0, SIGCHLD, 0);
        if (pick(n, 2))
            start_copy(n, 0, SIGCHLD, 0);
    }
}

/* Give a number out again: a reaped child's by set_tid, or turn the namespace's counter back. */
static void do_reuse(struct node *n)
{
    if (n->kid_count && pick(n, 2)) {
        pid_t old = n->kids[(n->kid_count - 1) % KIDS];
        syscall(SYS_kill, old, SIGKILL);
        syscall(SYS_wait4, old, NULL, __WALL, NULL);
        start_copy(n, 0, SIGCHLD, old);
        return;
    }
    if (ctl->keeper != 1) /* not in a box of its own: the counter is the machine's */
        return;
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    char text[16];
    char *end = put_decimal(text, 2 + pick(n, 300));
    if (fd >= 0 && write(fd, text, (size_t)(end - text)) < 0)
        (void)0;
    close(fd);
}

static void do_subreaper(struct node *n)
{
    prctl(PR_SET_CHILD_SUBREAPER, pick(n, 4) != 0, 0, 0, 0);
}

static void do_pdeathsig(struct node *n)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIG_QUIET, 0};
    prctl(PR_SET_PDEATHSIG, signals[pick(n, 4)], 0, 0, 0);
}

static void do_name(struct node *n)
{
    prctl(PR_SET_NAME, odd_name(n), 0, 0, 0);
}

static void do_fork(struct node *n)
{
    start_copy(n, 0, SIGCHLD, 0);
}

static void do_clone3(struct node *n)
{
    start_copy(n, 0, pick_signal(n, 1), 0);
}

static void do_clone_parent(struct node *n)
{
    start_copy(n, CLONE_PARENT, SIGCHLD, 0);
}

static void do_thread(struct node *n)
{
    start_on_stack(n, THREAD_FLAGS, 0);
}

static void do_vm(struct node *n)
{
    uint64_t flags = CLONE_VM;
    if (has(KIND_VFORK) && pick(n, 2))
        flags |= CLONE_VFORK;
    if (has(KIND_PARENT) && !pick(n, 4))
        start_on_stack(n, CLONE_VM | CLONE_PARENT, 0);
    else
        start_on_stack(n, flags, pick_signal(n, 0));
}

static void do_setsid(struct node *n)
{
    (void)n;
    setsid();
}

static void do_autoreap(struct node *n)
{
    signal(SIGCHLD, pick(n, 2) ? SIG_IGN : SIG_DFL);
}

static void do_untraced(struct node *n)
{
    start_copy(n, CLONE_UNTRACED, SIGCHLD, 0);
}

static void do_print(struct node *n)
{
    static const char *const texts[] = {"working", "50%\r", "one\ntwo\n", "\t[x] done\n", "a = b\n", "\n"};
    const char *text = texts[pick(n, 6)];
    if (write(2, text, strlen(text)) < 0)
        (void)0;
}

static const struct {
    void (*run)(struct node *);
    uint32_t kind;
    uint32_t weight;
} actions[] = {
    {do_fork, KIND_FORK, 22},        {do_double_fork, KIND_FORK, 6},  {do_vfork, KIND_VFORK, 6},
    {do_clone3, KIND_CLONE3, 6},     {do_clone_parent, KIND_PARENT, 7}, {do_thread, KIND_THREAD, 16},
    {do_vm, KIND_VM, 5},             {do_subreaper, KIND_SUBREAPER, 8}, {exec_self, KIND_EXEC, 7},
    {end_self, KIND_EXIT, 9},        {do_setsid, KIND_SETSID, 1},     {do_pdeathsig, KIND_PDEATHSIG, 3},
    {do_pidns, KIND_PIDNS, 4},       {do_setns, KIND_SETNS, 4},       {do_wait, KIND_WAIT, 9},
    {do_kill, KIND_KILL, 5},         {do_name, KIND_NAME, 2},         {do_reuse, KIND_REUSE, 8},
    {do_autoreap, KIND_AUTOREAP, 4}, {do_untraced, KIND_UNTRACED, 4},
    {do_print, KIND_PRINT, 6},
};
#define ACTIONS (sizeof actions / sizeof *actions)

/* Each seed has its own mixture, so that some trees are mostly threads, others mostly subreapers. */
static uint32_t weight_of(size_t i)
{
    static const uint32_t quarters[] = {1, 4, 4, 12};
    return has(actions[i].kind) ? actions[i].weight * quarters[mix(ctl->seed, i) % 4] : 0;
}

static void act(struct node *n)
{
    uint32_t total = 0;
    for (size_t i = 0; i < ACTIONS; i++)
        total += weight_of(i);
    uint32_t point = pick(n, total);
    for (size_t i = 0; i < ACTIONS; i++) {
        uint32_t weight = weight_of(i);
        if (point < weight) {
            int ends = actions[i].run == end_self || actions[i].run == exec_self;
            if (!(ends && !n->depth && !atomic_load(&ctl->round))) /* the first task sees to it that there is a tree */
                actions[i].run(n);
            return;
        }
        point -= weight;
    }
}

static void wait_for_round(uint32_t after)
{
    while (atomic_load(&ctl->round) == after)
        syscall(SYS_futex, &ctl->round, FUTEX_WAIT, after, NULL, NULL, 0);
}

static void run_node(struct node *n)
{
    for (;;) {
        uint32_t round = atomic_load(&ctl->round);
        n->rng = mix(mix(ctl->seed, n->id), round);
        for (uint32_t left = n->depth ? pick(n, 5) : 3 + pick(n, 4); left; left--)
            act(n);
        if (n->in_vfork) {
            if (has(KIND_EXEC))
                exec_self(n);
            syscall(SYS_exit, 4);
        }
        wait_for_round(round);
    }
}

int main(int argc, char **argv)
{
    struct node root = {0};
    if (argc == 2) { /* the first image: the others inherit the file at its number */
        int fd = open(argv[1], O_RDWR);
        if (fd < 0 || dup2(fd, CONTROL_FD) < 0)
            return 121;
        if (fd != CONTROL_FD)
            close(fd);
    }
    if (mmap(CONTROL_ADDRESS, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, CONTROL_FD, 0) ==
        MAP_FAILED)
        return 122;
    if (argc == 2) {
        ctl->tracer = (int32_t)syscall(SYS_getppid);
    } else if (argc >= 3) {
        root.id = get_hex(argv[1]);
        root.depth = (uint32_t)(argv[2][0] - 'a');
    }
    run_node(&root);
}
