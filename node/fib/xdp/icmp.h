/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: ICMP (RFC 792, RFC 1812 section 4.3), made here and sent back by the attachment that the packet came from. */
#pragma once
#include "forward.h"

#define ICMP 1
#define ICMP_QUOTE 548 /* RFC 1812 section 4.3.2.3: at most 576 bytes with the headers */
#define ICMP_COST (1000000ull << 6) /* one a millisecond for each attachment ... */
#define ICMP_BURST (100 * ICMP_COST) /* ... after a hundred at once */

struct icmp {
	__u8 type, code;
	__u16 check;
	__be16 unused, mtu;
};

/* icmp_for answers (type << 8 | code) for a reason that the sender is told about, or 0. */
inline_ __u32 icmp_for(int reason)
{
	switch (reason) {
	case DROP_NO_ROUTE:
		return 0x0300;
	case DROP_UNREACHABLE:
	case DROP_PATH_DOWN:
		return 0x0301;
	case DROP_LOCAL_CLOSED:
		return 0x0303;
	case DROP_TOO_BIG:
		return 0x0304;
	case DROP_TTL_EXPIRED:
		return 0x0b00;
	}
	return 0;
}

/* icmp_forbidden holds the cases of RFC 1812 section 4.3.2.7 that get this far. */
inline_ int icmp_forbidden(void *data, void *end, struct ipv4 *ip, struct frame *f)
{
	__u8 *type = data + l3_of(f) + head_of(f);

	if (ip->frag & bpf_htons(0x1fff))
		return 1;
	if (ip->protocol != ICMP)
		return 0;
	if ((void *)(type + 1) > end)
		return 1;
	return *type != 0 && *type != 8 && *type != 13 && *type != 14;
}

inline_ void icmp_ipv4(struct ipv4 *ip, __be32 src, __be32 dst, __u32 len)
{
	ip->vihl = 0x45;
	ip->tos = 0xc0; /* internetwork control */
	ip->len = bpf_htons(len);
	ip->id = 0;
	ip->frag = FRAG_DF;
	ip->ttl = 64;
	ip->protocol = ICMP;
	ip->check = 0;
	ip->src = src;
	ip->dst = dst;
	ip->check = ~header_sum(ip);
}

inline_ void icmp_sum(void *icmp, void *end)
{
	__u64 sum = 0;
	__u16 *w = icmp;
	int i;

	for (i = 0; i < (ICMP_QUOTE + 8) / 2; i++) {
		asm volatile("" : "+r"(w)); /* no check may be left out: the verifier wants each */
		if ((void *)(w + 1) > end)
			break;
		sum += *w++;
	}
	((struct icmp *)icmp)->check = ~fold(sum);
}

/* icmp_error turns the frame into the error message and sends it back. The packet is still as it came. */
__noinline int icmp_error(struct xdp_md *ctx, struct frame *f, struct attachment *a, __u32 kind)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct limits *l;
	struct icmp *icmp;
	struct ipv4 *ip;
	__u32 l3, quote;
	__be32 src, dst;

	if (!f || !a)
		return XDP_DROP;
	l = bpf_map_lookup_elem(&limits, &f->in);
	l3 = l3_of(f);
	quote = f->len < ICMP_QUOTE ? f->len & ~1 : ICMP_QUOTE;
	ip = data + l3;
	if ((void *)(ip + 1) > end || !l || icmp_forbidden(data, end, ip, f) || !keep_macs(ctx, f))
		return XDP_DROP;
	dst = ip->src;
	src = kind == 0x0303 ? ip->dst : a->address;
	if (!src || !conforms(&l->icmp, clock(), ICMP_COST, ICMP_BURST))
		return XDP_DROP;
	if (bpf_xdp_adjust_tail(ctx, (int)(l3 + quote) - (int)span(data, end)) || bpf_xdp_adjust_head(ctx, -28))
		return XDP_DROP;

	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + l3;
	icmp = (void *)(ip + 1);
	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	f->len = quote + 28;
	icmp_ipv4(ip, src, dst, f->len);
	icmp->type = kind >> 8;
	icmp->code = kind;
	icmp->check = 0;
	icmp->unused = 0;
	icmp->mtu = kind == 0x0304 ? bpf_htons(f->mtu) : 0;
	icmp_sum(icmp, end);
	return send_back(ctx, f, a);
}

/* echo answers a ping of an own address in place. */
inline_ int echo(struct xdp_md *ctx, struct ipv4 *ip, struct icmp *icmp, struct frame *f, struct attachment *a)
{
	__be32 src = ip->src;
	__u32 sum;

	if (!keep_macs(ctx, f))
		return drop(f->in, DROP_HEADROOM);
	sum = icmp->check + bpf_htons(0x0800);
	icmp->check = sum + (sum >= 0xffff);
	icmp->type = 0;
	ip->src = ip->dst;
	ip->dst = src;
	ip->ttl = 64;
	ip->check = 0;
	ip->check = ~header_sum(ip);
	return send_back(ctx, f, a);
}
