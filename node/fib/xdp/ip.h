/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: IP. The order of a routed packet: header checks, control packets out, ingress policer, routes of destination and source,
 * own addresses, TTL, path, MTU, egress policer, rewrite. Nothing is written before the last check, so that ICMP can quote it. */
#pragma once
#include "icmp.h"
#include "punt.h"

inline_ int martian(__be32 addr)
{
	__u32 top = bpf_ntohl(addr) >> 24;

	return top == 0 || top == 127 || top >= 224;
}

/* ipv4_sum adds a header with options. */
__noinline int options_sum(struct xdp_md *ctx, __u32 l3, __u32 head)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u16 *w = data + (l3 & 0x7f);
	__u64 sum = 0;
	int i;

	for (i = 0; i < 30; i++) {
		asm volatile("" : "+r"(w));
		if (i * 2 >= head || (void *)(w + 1) > end)
			break;
		sum += *w++;
	}
	return fold(sum);
}

/* ipv4_header checks the header and fills f. Ethernet padding is cut off. */
inline_ int ipv4_header(struct xdp_md *ctx, struct frame *f)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv4 *ip = data + l3_of(f);
	__u32 room, len;

	if ((void *)(ip + 1) > end)
		return DROP_IP_LENGTH;
	f->head = (ip->vihl & 15) * 4;
	if (ip->vihl >> 4 != 4 || f->head < 20)
		return DROP_IP_HEADER;
	room = span(ip, end);
	len = bpf_ntohs(ip->len);
	if (len < f->head || len > room)
		return DROP_IP_LENGTH;
	f->len = len;
	if ((f->head == 20 ? header_sum(ip) : options_sum(ctx, f->l3, f->head)) != 0xffff)
		return DROP_IP_CHECKSUM;
	if (martian(ip->src))
		return DROP_SOURCE_MARTIAN;
	if (martian(ip->dst))
		return DROP_DESTINATION_MARTIAN;
	if (room > len)
		bpf_xdp_adjust_tail(ctx, (int)len - (int)room);
	return DROP_NONE;
}

inline_ void ports_of(void *end, struct ipv4 *ip, struct frame *f)
{
	struct l4 *l4 = (void *)ip + head_of(f);

	f->sport = f->dport = 0;
	if ((ip->protocol != TCP && ip->protocol != UDP) || (ip->frag & FRAG_MORE_OFFSET) || (void *)(l4 + 1) > end)
		return;
	f->sport = l4->src;
	f->dport = l4->dst;
}

/* local handles a packet to an own address that is not a control packet. */
inline_ int local(struct xdp_md *ctx, void *end, struct ipv4 *ip, struct frame *f, struct attachment *a)
{
	struct icmp *icmp = (void *)ip + head_of(f);

	if (ip->frag & FRAG_MORE_OFFSET)
		return DROP_LOCAL_FRAGMENT;
	if (ip->protocol == ICMP && f->head == 20 && (void *)(icmp + 1) <= end && icmp->type == 8 && icmp->code == 0)
		return DONE(echo(ctx, ip, icmp, f, a));
	return DROP_LOCAL_CLOSED;
}

/* source_check is the reverse path rule, RFC 3704. */
inline_ int source_check(struct attachment *a, __u32 in, __u32 root, __be32 src)
{
	struct group *g;

	if (!(a->flags & (ATT_LOOSE | ATT_STRICT)))
		return DROP_NONE;
	g = route(root, src);
	if (!g || g->kind != GROUP_FORWARD)
		return DROP_SOURCE_UNROUTED;
	if ((a->flags & ATT_STRICT) && !leaves_by(g, in))
		return DROP_SOURCE_OTHER_PATH;
	return DROP_NONE;
}

/* is_own reports whether the address is the attachment's own. Tunnels of a domain may share one, and its route names one of them. */
__noinline int is_own(__u32 root, __be32 addr, __u32 in, __be32 own)
{
	struct group *g = route(root, addr);

	return g && g->kind == GROUP_LOCAL && (g->hops[0].attachment == in || own == addr);
}

inline_ int ipv4_forward(struct xdp_md *ctx, struct ipv4 *ip, struct frame *f, struct group *g)
{
	struct path p = {};
	__u32 sum;
	__be16 frag = ip->frag;
	int why;

	if (ip->ttl <= 1)
		return DROP_TTL_EXPIRED;
	f->hash = flow_hash(f->seed, ip->src, ip->dst, (__u32)f->sport << 16 | f->dport, ip->protocol);
	why = choose(g, f->hash, ip->dst, &p);
	if (why == DROP_NEIGHBOR_UNRESOLVED)
		return unresolved(f, p.id, ip->dst);
	if (why)
		return why;
	if (!p.out || !p.to)
		return DROP_PATH_DOWN;
	if (f->len > p.out->mtu) {
		f->mtu = p.out->mtu;
		return frag & FRAG_DF ? DROP_TOO_BIG : DROP_TOO_BIG_FRAGMENTABLE;
	}
	if (!police(p.out->egress, f->len + ETH_LEN))
		return DONE(drop(p.id, DROP_POLICED_OUT));
	sum = ip->check + bpf_htons(0x0100);
	ip->check = sum + (sum >= 0xffff);
	ip->ttl--;
	return DONE(emit(ctx, f, p.id, p.out, p.to->mac, p.out->mac, p.out->stag, p.out->ctag));
}

inline_ int ipv4(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	void *data, *end;
	struct group *g;
	struct ipv4 *ip;
	__u32 root;
	int why;

	if ((why = ipv4_header(ctx, f)))
		return why;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = data + l3_of(f);
	if ((void *)(ip + 1) > end)
		return DROP_IP_LENGTH;
	ports_of(end, ip, f);
	root = root_of(a->domain);
	if (is_control(ip->protocol, f->sport, f->dport) && is_own(root, ip->dst, f->in, a->address))
		return punt(ctx, f, a);
	if (!police(a->ingress, f->len + ETH_LEN))
		return DROP_POLICED_IN;
	if ((why = source_check(a, f->in, root, ip->src)))
		return why;
	g = route(root, ip->dst);
	if (!g || g->kind == GROUP_NONE)
		return DROP_NO_ROUTE;
	if (g->kind == GROUP_LOCAL)
		return local(ctx, end, ip, f, a);
	if (g->kind != GROUP_FORWARD)
		return ip->ttl <= 1 ? DROP_TTL_EXPIRED : DROP_UNREACHABLE;
	return ipv4_forward(ctx, ip, f, g);
}

struct ipv6 {
	__be32 label;
	__be16 len;
	__u8 next, hops;
	__u32 src[4], dst[4];
};

/* own6 reports whether the address is the attachment's: configured, or link-local, which the kernel knows better. */
inline_ int own6(struct frame *f, struct attachment *a, struct ipv6 *ip)
{
	struct local6_key key = {.domain = a->domain};
	__u32 *id;

	if ((ip->dst[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
		return 1;
	key.addr[0] = ip->dst[0];
	key.addr[1] = ip->dst[1];
	key.addr[2] = ip->dst[2];
	key.addr[3] = ip->dst[3];
	id = bpf_map_lookup_elem(&locals6, &key);
	return id && *id == f->in;
}

/* ipv6 serves sessions: neighbour discovery, BGP, BFD and pings of own addresses are punted, the rest is refused. */
inline_ int ipv6(struct xdp_md *ctx, struct frame *f, struct attachment *a, int group)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6 *ip = data + l3_of(f);
	struct l4 *l4 = (void *)(ip + 1);
	__u8 type;

	if ((void *)(ip + 1) > end)
		return DROP_IP_LENGTH;
	if ((*(__u8 *)ip >> 4) != 6)
		return DROP_IP_HEADER;
	f->len = bpf_ntohs(ip->len) + 40;
	if (f->len > span(ip, end))
		return DROP_IP_LENGTH;
	if ((void *)(l4 + 1) > end)
		return DROP_IPV6_UNSUPPORTED;
	type = *(__u8 *)l4;
	if (ip->next == ICMPV6 && ip->hops == 255 && type >= 133 && type <= 137)
		return punt(ctx, f, a);
	if (group)
		return DROP_MAC_OTHER;
	if ((is_control(ip->next, l4->src, l4->dst) || (ip->next == ICMPV6 && type >= 128)) && own6(f, a, ip))
		return punt(ctx, f, a);
	return DROP_IPV6_UNSUPPORTED;
}
