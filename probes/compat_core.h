/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is peculiar to CO-RE (libbpf): its maps and their accessors, its program declaration, and field offsets
 * that are filled in when the object is loaded. The counterpart of compat_bcc.h. Needs clang alone: no header of the
 * system, the C library or libbpf.
 *
 * The loader sets the sizes of `events` and `tracked` (bpf_map__set_max_entries) before it loads.
 */
#include "vmlinux.h"
#include "ctrace.h"

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))

/* ---- field offsets ---- */

/* The kinds of relocation: enum bpf_core_relo_kind (include/uapi/linux/bpf.h), which the compiler numbers likewise. */
#define CT_RELOC_OFFSET 0
#define CT_RELOC_EXISTS 2
#define CT_RELOC_LSHIFT 4
#define CT_RELOC_RSHIFT 5
#define CT_RELOC_TYPE_SIZE 1

#define RELOC(s, path, kind) __builtin_preserve_field_info(((struct s *)0)->path, kind)

#define FIELD(s, name, path) \
	static __always_inline u32 off_##s##_##name(void) { return RELOC(s, path, CT_RELOC_OFFSET); }
/*
 * Of a bit field libbpf tells the word that holds it, and by how much that word, read into 64 bits, is to be shifted to
 * the left and then to the right to leave the field alone; a bool is a field of 8 bits. Little-endian machines only.
 */
#define FLAG(s, name, path)                                                                   \
	static __always_inline u32 bit_##s##_##name(void)                                     \
	{                                                                                     \
		return RELOC(s, path, CT_RELOC_RSHIFT) - RELOC(s, path, CT_RELOC_LSHIFT);     \
	}                                                                                     \
	static __always_inline u32 off_##s##_##name(void)                                     \
	{                                                                                     \
		return RELOC(s, path, CT_RELOC_OFFSET) + bit_##s##_##name() / 8;              \
	}                                                                                     \
	static __always_inline u32 mask_##s##_##name(void) { return 1 << bit_##s##_##name() % 8; }
/*
 * The relocation of a field that is not there would be an invalid instruction, so it has to stay behind the question
 * whether it is: hence the barriers.
 */
#define OPTIONAL_FLAG(s, name, path)                                                          \
	static __always_inline u32 bit_##s##_##name(void)                                     \
	{                                                                                     \
		u32 bit;                                                                      \
                                                                                              \
		asm volatile("" ::: "memory");                                                \
		bit = RELOC(s, path, CT_RELOC_RSHIFT) - RELOC(s, path, CT_RELOC_LSHIFT);      \
		asm volatile("" : "+r"(bit));                                                 \
		return bit;                                                                   \
	}                                                                                     \
	static __always_inline u32 off_##s##_##name(void)                                     \
	{                                                                                     \
		if (!RELOC(s, path, CT_RELOC_EXISTS))                                         \
			return 0;                                                             \
		asm volatile("" ::: "memory");                                                \
		return RELOC(s, path, CT_RELOC_OFFSET) + bit_##s##_##name() / 8;              \
	}                                                                                     \
	static __always_inline u32 mask_##s##_##name(void)                                    \
	{                                                                                     \
		return RELOC(s, path, CT_RELOC_EXISTS) ? 1 << bit_##s##_##name() % 8 : 0;     \
	}
#define SIZE(s)                                                                               \
	static __always_inline u32 size_##s(void)                                             \
	{                                                                                     \
		return __builtin_preserve_type_info(*(struct s *)0, CT_RELOC_TYPE_SIZE);      \
	}
#if defined(CT_X86_64)
#define FIELD_X86_64(s, name, path) FIELD(s, name, path)
#define FIELD_AARCH64(s, name, path)
#else
#define FIELD_X86_64(s, name, path)
#define FIELD_AARCH64(s, name, path) FIELD(s, name, path)
#endif
#include "fields.h"
#undef FIELD
#undef FLAG
#undef OPTIONAL_FLAG
#undef SIZE
#undef FIELD_X86_64
#undef FIELD_AARCH64

/* ---- helpers: the numbers of include/uapi/linux/bpf.h ---- */

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;
static void *(*bpf_ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*bpf_ringbuf_submit)(void *record, u64 flags) = (void *)132;

/* ---- maps ---- */

/* libbpf reads a number from the length of an array that a pointer points to, and a type from the pointer itself. */
#define MAP(name, map_type, entries, ...)                                                     \
	struct {                                                                              \
		int (*type)[map_type];                                                        \
		int (*max_entries)[entries];                                                  \
		__VA_ARGS__                                                                   \
	} name SEC(".maps")

MAP(events, BPF_MAP_TYPE_RINGBUF, 1 << 23);
MAP(tracked, BPF_MAP_TYPE_HASH, 65536, u32 *key; struct ct_tracked *value;);
MAP(followed, BPF_MAP_TYPE_HASH, 64, struct ct_comm_key *key; u32 *value;);
MAP(counters, BPF_MAP_TYPE_ARRAY, CT_COUNTERS, u32 *key; u64 *value;);
MAP(scratch, BPF_MAP_TYPE_PERCPU_ARRAY, CT_TEXTS, u32 *key; struct ct_text_scratch *value;);
MAP(marks, BPF_MAP_TYPE_HASH, 4096, u64 *key; u32 *value;);
MAP(written, BPF_MAP_TYPE_PERCPU_ARRAY, 1, u32 *key; u64 *value;);

static __always_inline u64 *counter(u32 slot)
{
	return bpf_map_lookup_elem(&counters, &slot);
}

static __always_inline struct ct_tracked *tracked_get(u32 tgid)
{
	return bpf_map_lookup_elem(&tracked, &tgid);
}

static __always_inline long tracked_set(u32 tgid, struct ct_tracked *value)
{
	return bpf_map_update_elem(&tracked, &tgid, value, 0);
}

static __always_inline void tracked_del(u32 tgid)
{
	bpf_map_delete_elem(&tracked, &tgid);
}

static __always_inline u32 *followed_get(struct ct_comm_key *key)
{
	return bpf_map_lookup_elem(&followed, key);
}

static __always_inline struct ct_text_scratch *scratch_get(u32 slot)
{
	return bpf_map_lookup_elem(&scratch, &slot);
}

static __always_inline int mark_is_set(u64 key)
{
	return bpf_map_lookup_elem(&marks, &key) != NULL;
}

static __always_inline long mark_set(u64 key)
{
	u32 one = 1;

	return bpf_map_update_elem(&marks, &key, &one, 0);
}

static __always_inline long mark_del(u64 key)
{
	return bpf_map_delete_elem(&marks, &key);
}

/* Number of records that this CPU wrote. */
static __always_inline u64 *written_get(void)
{
	u32 zero = 0;

	return bpf_map_lookup_elem(&written, &zero);
}

static __always_inline void *ring_reserve(u64 size)
{
	return bpf_ringbuf_reserve(&events, size, 0);
}

static __always_inline void ring_submit(void *record, u64 flags)
{
	bpf_ringbuf_submit(record, flags);
}

static __always_inline long ring_output(void *data, u64 size, u64 flags)
{
	return bpf_ringbuf_output(&events, data, size, flags);
}

/* ---- programs ---- */

#define RAW_TRACEPOINT(function, tracepoint) \
	SEC("raw_tp/" #tracepoint) int function(struct bpf_raw_tracepoint_args *ctx)
/* The same program three times, see handled(). The loader takes the other two where they are needed. */
#define RAW_TRACEPOINT_IN_TURNS(function, tracepoint)                                         \
	static __always_inline int function##_turn(struct bpf_raw_tracepoint_args *, u32);    \
	RAW_TRACEPOINT(function, tracepoint) { return function##_turn(ctx, 0); }              \
	RAW_TRACEPOINT(function##_2, tracepoint) { return function##_turn(ctx, 1); }          \
	RAW_TRACEPOINT(function##_3, tracepoint) { return function##_turn(ctx, LAST_TURN); }  \
	static __always_inline int function##_turn(struct bpf_raw_tracepoint_args *ctx, u32 turn)
#define ARG(n) (ctx->args[n])

/* What the kernel asks for before it lends GPL-only helpers; the sources may be used under Apache-2.0 as well. */
char ct_license[] SEC("license") = "GPL";
