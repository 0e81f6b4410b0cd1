// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Tags for a router that cannot tag by itself: tagger_push runs on an inner device and sends frames with one or two tags out of the
 * outer device, tagger_pop runs on the outer device and sends frames with just the tags of one of the ways, without them, out of that
 * way's inner device. tagger_pass is for the other ends of veth pairs, which lose redirected frames without a program. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* Set before loading: of tagger_push. */
volatile const __u32 target = 0;   /* ifindex to send to */
volatile const __u16 outer_tag = 0; /* 0: one tag only */
volatile const __u16 inner_tag = 0;

/* Of tagger_pop: the tags of each inner device. */
#define WAYS 8

struct way {
	__u32 target; /* ifindex; 0: none */
	__u16 outer, inner;
};

volatile const struct way ways[WAYS] = {};

/* Of both. */
volatile const __u16 outer_type = 0x8100;

#define MACS 12

struct macs {
	__u16 w[6];
};

struct tag {
	__u16 type, tci;
};


SEC("xdp")
int tagger_push(struct xdp_md *ctx)
{
	struct macs m, *from = (void *)(long)ctx->data, *to;
	struct tag *t;

	if ((void *)(from + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	m = *from;
	if (bpf_xdp_adjust_head(ctx, outer_tag ? -8 : -4))
		return XDP_DROP;
	to = (void *)(long)ctx->data;
	t = (void *)(to + 1);
	if ((void *)(t + 2) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*to = m;
	if (outer_tag) {
		t->type = bpf_htons(outer_type);
		t->tci = bpf_htons(outer_tag);
		t++;
	}
	t->type = bpf_htons(0x8100);
	t->tci = bpf_htons(inner_tag);
	return bpf_redirect(target, 0);
}

#define VID(tag) (bpf_ntohs((tag)->tci) & 0xfff)

static __always_inline int matches(const struct tag *t, __u16 outer, __u16 inner)
{
	if (outer) {
		if (t->type != bpf_htons(outer_type) || VID(t) != outer)
			return 0;
		t++;
	}
	return t->type == bpf_htons(0x8100) && VID(t) == inner;
}

SEC("xdp")
int tagger_pop(struct xdp_md *ctx)
{
	struct macs m, *from = (void *)(long)ctx->data, *to;
	struct tag *t = (void *)(from + 1);
	__u32 out = 0;
	__u16 outer = 0;

	if ((void *)(t + 2) > (void *)(long)ctx->data_end)
		return XDP_DROP;
#pragma unroll
	for (int i = 0; i < WAYS; i++) {
		if (ways[i].target && matches(t, ways[i].outer, ways[i].inner)) {
			out = ways[i].target;
			outer = ways[i].outer;
			break;
		}
	}
	if (!out)
		return XDP_DROP;
	m = *from;
	if (bpf_xdp_adjust_head(ctx, outer ? 8 : 4))
		return XDP_DROP;
	to = (void *)(long)ctx->data;
	if ((void *)(to + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*to = m;
	return bpf_redirect(out, 0);
}

SEC("xdp")
int tagger_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
