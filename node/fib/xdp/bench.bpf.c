// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The bench's own programs: a generator for BPF_F_TEST_XDP_LIVE_FRAMES, a bare redirect to compare with, and a sink that checks what
 * arrives. Not part of the data path.
 *
 *   bench_generate -> veth -> device under test -> veth -> bench_sink
 */
#include "parse.h"
#include "vxlan.h"

struct leg { /* how one leg's frames look, and where they go */
	__u16 dst[3];
	__u16 tagged; /* S and C; else plain */
	__u32 first;  /* of its destinations */
	__u32 mask;
	__u32 slot;   /* in targets */
	__u32 vni;    /* first, where the sink shall see VXLAN; 0: plain */
	__u32 ttl;    /* that the sink shall see */
	__u32 pad;
};

struct destination {
	__be32 dst, src;
	__u32 circuit;
	__u32 pad;
};

struct seen {
	__u64 good, bad;
};

TABLE(legs, BPF_MAP_TYPE_ARRAY, __u32, struct leg, 0);
TABLE(destinations, BPF_MAP_TYPE_ARRAY, __u32, struct destination, 0);
TABLE(current, BPF_MAP_TYPE_ARRAY, __u32, __u32, 0); /* the leg that runs */
TABLE(seen, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct seen, 0);
TABLE(targets, BPF_MAP_TYPE_DEVMAP, __u32, __u32, 0);

#define WINDOW 1024 /* packets between two stamps */

TABLE(stamps, BPF_MAP_TYPE_ARRAY, __u32, __u64, 0);

/* stamp notes the time of every WINDOWth packet. */
inline_ void stamp(__u64 n)
{
	__u32 index = (n / WINDOW) & 4095;
	__u64 *at;

	if (n % WINDOW)
		return;
	at = bpf_map_lookup_elem(&stamps, &index);
	if (at)
		*at = bpf_ktime_get_ns();
}

inline_ struct leg *leg_now(void)
{
	__u32 zero = 0, *now = bpf_map_lookup_elem(&current, &zero);

	return now ? bpf_map_lookup_elem(&legs, now) : 0;
}

inline_ void fill_ip(struct ipv4 *ip, const struct destination *d)
{
	struct udp *udp = (void *)(ip + 1);

	ip->vihl = 0x45;
	ip->tos = 0;
	ip->len = bpf_htons(46);
	ip->id = 0;
	ip->frag = 0;
	ip->ttl = 64;
	ip->protocol = UDP;
	ip->check = 0;
	ip->src = d->src;
	ip->dst = d->dst;
	ip->check = ~header_sum(ip);
	udp->src = bpf_htons(1000);
	udp->dst = bpf_htons(2000);
	udp->len = bpf_htons(26);
	udp->check = 0;
}

/* bench_generate writes every header anew: frames come back from the device under test as it left them. */
SEC("xdp")
int bench_generate(struct xdp_md *ctx)
{
	struct leg *leg = leg_now();
	void *data = (void *)(long)ctx->data;
	struct eth *eth = data;
	struct tag *t = data + ETH_LEN;
	struct destination *d;
	__u32 i;

	if (!leg || data + ETH_LEN + 8 + 46 > (void *)(long)ctx->data_end)
		return XDP_DROP;
	i = leg->first + (bpf_get_prandom_u32() & leg->mask);
	d = bpf_map_lookup_elem(&destinations, &i);
	if (!d)
		return XDP_DROP;
	mac_copy(eth->dst, leg->dst);
	eth->src[0] = bpf_htons(0x0200);
	eth->src[1] = 0;
	eth->src[2] = bpf_htons(0x0301);
	if (!leg->tagged) {
		eth->type = TYPE_IPV4;
		fill_ip(data + ETH_LEN, d);
	} else {
		eth->type = TYPE_8021Q;
		t[0].tci = bpf_htons(100 + d->circuit);
		t[0].type = TYPE_8021Q;
		t[1].tci = bpf_htons(101);
		t[1].type = TYPE_IPV4;
		fill_ip(data + ETH_LEN + 8, d);
	}
	return bpf_redirect_map(&targets, leg->slot, 0);
}

SEC("xdp")
int bench_bare(struct xdp_md *ctx)
{
	return bpf_redirect_map(&targets, 15, 0);
}

inline_ int plain_good(void *ip_at, void *end, __u32 ttl)
{
	struct ipv4 *ip = ip_at;

	if ((void *)(ip + 1) + 8 > end)
		return 0;
	return ip->vihl == 0x45 && ip->ttl == ttl && ip->protocol == UDP && header_sum(ip) == 0xffff &&
	       ((struct udp *)(ip + 1))->dst == bpf_htons(2000);
}

inline_ int tunnel_good(void *data, void *end, struct leg *leg)
{
	struct outer o = outer_at(data);
	struct ipv4 *ip = data + OUTER_LEN + ETH_LEN;
	__u32 vni;

	if ((void *)(ip + 1) + 8 > end)
		return 0;
	vni = bpf_ntohl(o.vxlan->vni) >> 8;
	/* the source says the circuit, the VNI must be the circuit's */
	return o.udp->dst == VXLAN_PORT && header_sum(o.ip) == 0xffff && vni == leg->vni + ((bpf_ntohl(ip->src) >> 8) & 0xff) &&
	       plain_good(ip, end, leg->ttl);
}

SEC("xdp")
int bench_sink(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct leg *leg = leg_now();
	__u32 zero = 0;
	struct seen *s = bpf_map_lookup_elem(&seen, &zero);
	int good;

	if (!leg || !s)
		return XDP_DROP;
	if (leg->vni)
		good = tunnel_good(data, end, leg);
	else
		good = plain_good(data + ETH_LEN + (leg->tagged ? 8 : 0), end, leg->ttl);
	if (good)
		stamp(++s->good);
	else
		s->bad++;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
