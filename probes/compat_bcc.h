/* SPDX-License-Identifier: Apache-2.0
 *
 * All that is peculiar to bcc: its maps and their accessors, its program declaration, and where field offsets come
 * from. Kernel headers give only constants and integer types here; no layout of theirs is used.
 *
 * The loader defines OFF_*, MASK_*, SIZE_* (fields.h), CT_RING_PAGES and CT_TRACKED_MAX.
 */
#include <linux/types.h>
#include "ctrace.h"

#define FIELD(s, name, path) \
	static __always_inline u32 off_##s##_##name(void) { return OFF_##s##_##name; }
#define FLAG(s, name, path) \
	FIELD(s, name, path) \
	static __always_inline u32 mask_##s##_##name(void) { return MASK_##s##_##name; }
#define OPTIONAL_FLAG(s, name, path) FLAG(s, name, path)
#define SIZE(s) \
	static __always_inline u32 size_##s(void) { return SIZE_##s; }
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

BPF_RINGBUF_OUTPUT(events, CT_RING_PAGES);
BPF_HASH(tracked, u32, struct ct_tracked, CT_TRACKED_MAX);
BPF_HASH(followed, struct ct_comm_key, u32, 64);
BPF_ARRAY(counters, u64, CT_COUNTERS);
BPF_PERCPU_ARRAY(scratch, struct ct_text_scratch, CT_TEXTS);
BPF_PERCPU_ARRAY(written, u64, 1);

static __always_inline u64 *counter(u32 slot)
{
	return counters.lookup(&slot);
}

static __always_inline struct ct_tracked *tracked_get(u32 tgid)
{
	return tracked.lookup(&tgid);
}

static __always_inline long tracked_set(u32 tgid, struct ct_tracked *value)
{
	return tracked.update(&tgid, value);
}

static __always_inline void tracked_del(u32 tgid)
{
	tracked.delete(&tgid);
}

static __always_inline u32 *followed_get(struct ct_comm_key *key)
{
	return followed.lookup(key);
}

static __always_inline struct ct_text_scratch *scratch_get(u32 slot)
{
	return scratch.lookup(&slot);
}

/* Number of records that this CPU wrote. */
static __always_inline u64 *written_get(void)
{
	u32 zero = 0;

	return written.lookup(&zero);
}

/* bcc rewrites calls on its maps, but not inside macros: hence functions. */
static __always_inline void *ring_reserve(u64 size)
{
	return events.ringbuf_reserve(size);
}

static __always_inline void ring_submit(void *record, u64 flags)
{
	events.ringbuf_submit(record, flags);
}

static __always_inline long ring_output(void *data, u64 size, u64 flags)
{
	return events.ringbuf_output(data, size, flags);
}

#define RAW_TRACEPOINT(function, tracepoint) int function(struct bpf_raw_tracepoint_args *ctx)
/* bcc attaches a program once: CT_IN_TURNS is not set, and what is left out is lost, and counted. */
#define RAW_TRACEPOINT_IN_TURNS(function, tracepoint)                                         \
	static __always_inline int function##_turn(struct bpf_raw_tracepoint_args *, u32);    \
	RAW_TRACEPOINT(function, tracepoint) { return function##_turn(ctx, 0); }              \
	static __always_inline int function##_turn(struct bpf_raw_tracepoint_args *ctx, u32 turn)
#define mark_is_set(key) 0
#define mark_set(key) 0
#define mark_del(key) 1
#define ARG(n) (ctx->args[n])
