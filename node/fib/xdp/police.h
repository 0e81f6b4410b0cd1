/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: police. A token bucket kept as one word, the time at which it will be full again (GCRA), so that a compare-and-swap is all the
 * locking: exact on any number of CPUs. Time is in 1/64 ns. */
#pragma once
#include "tables.h"

inline_ __u64 clock(void)
{
	return bpf_ktime_get_ns() << 6;
}

/* conforms takes cost from the bucket, if it is there. */
inline_ int conforms(__u64 *full, __u64 now, __u64 cost, __u64 burst)
{
	__u64 old, from;
	int i;

	for (i = 0; i < 8; i++) {
		old = *(volatile __u64 *)full;
		from = (__s64)(old - now) > 0 ? old : now;
		if (from + cost - now > burst)
			return 0;
		if (__sync_val_compare_and_swap(full, old, from + cost) == old)
			return 1;
	}
	__sync_fetch_and_add(full, cost);
	return 1;
}

/* refill takes from the bucket: some bytes ahead, where the bucket is deep enough that it does not show, so that not every packet reads
 * the clock; else what is missing alone. */
__noinline int refill(struct policer *p, struct policed *c, __u32 bytes)
{
	__u64 now, ahead;

	if (!p || !c)
		return 1;
	now = clock();
	ahead = p->ahead;
	if (ahead > bytes && conforms(&p->full, now, (ahead * p->cost) >> 16, p->burst)) {
		c->credit = ahead - bytes;
		return 1;
	}
	return conforms(&p->full, now, (bytes * p->cost) >> 16, p->burst);
}

/* police answers 1 for a packet within the rate. bytes is the L2 frame without tags and tunnel headers. */
inline_ int police(__u32 id, __u32 bytes)
{
	struct policer *p;
	struct policed *c;

	if (!id)
		return 1;
	p = bpf_map_lookup_elem(&policers, &id);
	c = bpf_map_lookup_elem(&policed, &id);
	if (!p || !c)
		return 1;
	if (c->credit >= bytes) {
		c->credit -= bytes;
	} else if (!refill(p, c, bytes)) {
		c->dropped_packets++;
		c->dropped_bytes += bytes;
		return 0;
	}
	c->passed_packets++;
	c->passed_bytes += bytes;
	return 1;
}
