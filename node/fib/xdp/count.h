/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: counters. All are per CPU; bytes are L3 bytes. */
#pragma once
#include "tables.h"

inline_ void count_in(__u32 attachment, __u32 bytes)
{
	struct count *c = bpf_map_lookup_elem(&counts, &attachment);

	if (!c)
		return;
	c->in_packets++;
	c->in_bytes += bytes;
}

inline_ void count_out(__u32 attachment, __u32 bytes)
{
	struct count *c = bpf_map_lookup_elem(&counts, &attachment);

	if (!c)
		return;
	c->out_packets++;
	c->out_bytes += bytes;
}

/* drop ends a packet. Attachment 0 is the node. */
__noinline int drop(__u32 attachment, __u32 reason)
{
	struct count *c = bpf_map_lookup_elem(&counts, &attachment);

	if (c && reason < DROP_REASONS)
		c->drops[reason]++;
	return XDP_DROP;
}
