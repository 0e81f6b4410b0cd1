/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: punt. Control packets go without tags to the attachment's punt device, where the kernel answers; they are not policed with the
 * rest, but limited. */
#pragma once
#include "forward.h"

#define TCP 6
#define ICMPV6 58
#define BGP bpf_htons(179)
#define BFD bpf_htons(3784)
#define BFD_ECHO bpf_htons(3785)
#define BFD_MULTIHOP bpf_htons(4784)
#define PUNT_COST (50000ull << 6) /* 20,000 a second for each attachment ... */
#define PUNT_BURST (2000 * PUNT_COST)

inline_ int is_control(__u8 protocol, __be16 sport, __be16 dport)
{
	if (protocol == TCP)
		return sport == BGP || dport == BGP;
	return protocol == UDP && (dport == BFD || dport == BFD_ECHO || dport == BFD_MULTIHOP);
}

__noinline int punt(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	struct limits *l;
	struct eth *eth;

	if (!f || !a)
		return DROP_HEADROOM;
	l = bpf_map_lookup_elem(&limits, &f->in);
	if (!a->punt || !l)
		return DROP_PUNT_MISSING;
	if (!conforms(&l->punt, clock(), PUNT_COST, PUNT_BURST))
		return DROP_PUNT_LIMITED;
	if (!keep_macs(ctx, f))
		return DROP_HEADROOM;
	if (f->l3 != ETH_LEN && bpf_xdp_adjust_head(ctx, (int)f->l3 - ETH_LEN))
		return DROP_HEADROOM;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return DROP_HEADROOM;
	mac_copy(eth->dst, f->dst);
	mac_copy(eth->src, f->src);
	eth->type = f->type;
	return DONE(bpf_redirect(a->punt, 0));
}

/* unresolved asks the agent to have a neighbour's MAC found out. */
static __noinline int unresolved(struct frame *f, __u32 attachment, __be32 addr)
{
	struct limits *l = bpf_map_lookup_elem(&limits, &attachment);
	struct miss m = {.attachment = attachment, .addr = addr};

	if (l && conforms(&l->miss, clock(), ICMP_COST, ICMP_BURST))
		bpf_ringbuf_output(&misses, &m, sizeof(m), 0);
	return DROP_NEIGHBOR_UNRESOLVED;
}
