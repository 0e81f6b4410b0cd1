// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The data path of a node. A packet's way, one header a station:
 *
 *   parse -> classify -> [crossconnect] -> police -> lookup -> forward (tags or vxlan) -> count
 *                     \-> punt, icmp, drop
 *
 * onramp_port runs on every port, onramp_punt on the data path's end of every punt device, onramp_pass on the kernel's ends.
 */
#include "classify.h"
#include "ip.h"

/* address_check answers 1 for the attachment's own MAC, 2 for a group's, 0 for another. */
inline_ int address_check(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	__u32 at = f->eth;
	struct eth *eth;

	asm volatile("" : "+r"(at));
	eth = (void *)(long)ctx->data + (at & 0x3f);
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return 0;
	if (mac_equal(eth->dst, a->mac))
		return 1;
	return mac_group(eth->dst) ? 2 : 0;
}

inline_ int receive(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	int to;

	if (a->flags & ATT_CROSSCONNECT)
		return crossconnect(ctx, f, a);
	to = address_check(ctx, f, a);
	if (!to || (to == 2 && f->type == TYPE_IPV4))
		return DROP_MAC_OTHER;
	if (f->type == TYPE_IPV4)
		return ipv4(ctx, f, a);
	if (f->type == TYPE_IPV6)
		return ipv6(ctx, f, a, to == 2);
	if (f->type == TYPE_ARP)
		return punt(ctx, f, a);
	return DROP_ETHERTYPE_UNKNOWN;
}

/* blur makes the verifier forget which form the frame had, so that it goes on with one state and not with one for each form; zero is 0,
 * but only we know. (A function of its own would do the same, and its return costs some ns.) */
inline_ void blur(struct frame *f, __u32 zero)
{
	f->l3 ^= zero;
	f->eth ^= zero;
	f->stag ^= zero;
	f->ctag ^= zero;
}

/* identify finds the attachment of a frame: a reason, or PASS_TO_KERNEL, or none. */
inline_ int identify(struct xdp_md *ctx, struct frame *f)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 ifindex = ctx->ingress_ifindex;
	struct port *p;
	int why;

	f->port = find(KEY_PORT(ifindex));
	p = bpf_map_lookup_elem(&ports, &f->port);
	if (!p || !f->port)
		return DROP_PORT_UNKNOWN;
	f->seed = p->seed;
	if (p->flags & PORT_UNDERLAY) {
		why = p->vtep ? decapsulate(data, end, p->vtep, f) : PASS_TO_KERNEL;
		blur(f, p->zero);
		return why;
	}
	if ((why = parse_tags(data, end, p->tpid, f)))
		return why;
	blur(f, p->zero);
	f->len = span(data, end) - f->l3;
	return classify(ifindex, f);
}

SEC("xdp")
int onramp_port(struct xdp_md *ctx)
{
	struct frame f = {};
	struct attachment *a;
	__u32 kind;
	int why = identify(ctx, &f);

	if (why == PASS_TO_KERNEL)
		return XDP_PASS;
	if (why)
		return drop(f.in, why);
	a = bpf_map_lookup_elem(&attachments, &f.in);
	if (!a)
		return drop(0, DROP_PORT_UNKNOWN);
	count_in(f.in, f.len);
	why = receive(ctx, &f, a);
	if (why & DONE(0))
		return why & 0xff;
	drop(f.in, why);
	kind = icmp_for(why);
	return kind ? icmp_error(ctx, &f, a, kind) : XDP_DROP;
}

SEC("xdp")
int onramp_punt(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 id = find(KEY_PUNT(ctx->ingress_ifindex));
	struct eth *eth = data;
	struct attachment *a;
	struct frame f = {};

	if (!id)
		return drop(0, DROP_PUNT_UNKNOWN);
	a = bpf_map_lookup_elem(&attachments, &id);
	if (!a || (void *)(eth + 1) > end)
		return drop(0, DROP_PUNT_UNKNOWN);
	f.in = id;
	f.l3 = ETH_LEN;
	f.len = span(eth + 1, end);
	f.type = eth->type;
	if (!keep_macs(ctx, &f))
		return drop(0, DROP_PUNT_UNKNOWN);
	return emit(ctx, &f, f.in, a, f.dst, f.src, a->stag, a->ctag);
}

SEC("xdp")
int onramp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
