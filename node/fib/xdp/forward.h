/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: forward. The frame gets the headers of the attachment it leaves by, whatever it came with, in one move of its head. */
#pragma once
#include "count.h"
#include "lookup.h"
#include "police.h"
#include "vxlan.h"

#define DONE(action_) (0x100 | (action_)) /* a verdict beside the reasons: nothing is left to do */

inline_ int transmit(__u32 id, __u32 port, __u32 len)
{
	if (bpf_redirect_map(&tx, port, 0) != XDP_REDIRECT)
		return drop(id, DROP_PORT_DOWN);
	count_out(id, len);
	return XDP_REDIRECT;
}

inline_ int emit_tunnel(struct xdp_md *ctx, struct frame *f, __u32 id, struct attachment *a, const __u16 *dst, const __u16 *src)
{
	struct underlay *u = bpf_map_lookup_elem(&underlays, &a->underlay);
	struct outer o;
	void *data;

	if (!u || !u->up)
		return drop(id, DROP_UNDERLAY_UNRESOLVED);
	if (bpf_xdp_adjust_head(ctx, (int)f->l3 - (OUTER_LEN + ETH_LEN)))
		return drop(id, DROP_HEADROOM);
	data = (void *)(long)ctx->data;
	if (data + OUTER_LEN + ETH_LEN > (void *)(long)ctx->data_end)
		return drop(id, DROP_HEADROOM);
	o = outer_at(data);
	mac_copy(o.inner->dst, dst);
	mac_copy(o.inner->src, src);
	o.inner->type = f->type;
	encapsulate(o, u, a->vni, f->hash, f->len);
	return transmit(id, u->port, f->len);
}

/* emit sends the frame by an attachment with these tags (0: none), and counts it there. */
inline_ int emit(struct xdp_md *ctx, struct frame *f, __u32 id, struct attachment *a, const __u16 *dst, const __u16 *src,
		 __u16 stag, __u16 ctag)
{
	int need = ETH_LEN + (stag ? TAG_LEN : 0) + (ctag ? TAG_LEN : 0);
	struct eth *eth;
	struct tag *t;
	void *end;

	if (a->flags & ATT_TUNNEL)
		return emit_tunnel(ctx, f, id, a, dst, src);
	if (need != f->l3 && bpf_xdp_adjust_head(ctx, (int)f->l3 - need))
		return drop(id, DROP_HEADROOM);
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	t = (void *)(eth + 1);
	if ((void *)(eth + 1) > end)
		return drop(id, DROP_HEADROOM);
	mac_copy(eth->dst, dst);
	mac_copy(eth->src, src);
	eth->type = f->type;
	if (stag) {
		if ((void *)(t + 2) > end)
			return drop(id, DROP_HEADROOM);
		eth->type = a->tpid;
		t[0].tci = bpf_htons(stag);
		t[0].type = TYPE_8021Q;
		t[1].tci = bpf_htons(ctag);
		t[1].type = f->type;
	} else if (ctag) {
		if ((void *)(t + 1) > end)
			return drop(id, DROP_HEADROOM);
		eth->type = TYPE_8021Q;
		t[0].tci = bpf_htons(ctag);
		t[0].type = f->type;
	}
	return transmit(id, a->port, f->len);
}

/* send_back answers the sender, whose MAC was kept, by the attachment and with the tags the frame came with. */
static __noinline int send_back(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	return emit(ctx, f, f->in, a, f->src, a->mac, a->stag, a->ctag);
}

/* crossconnect carries the frame to the other end: addresses as they are, tags rewritten, the priority of the outermost tag kept. */
__noinline int crossconnect(struct xdp_md *ctx, struct frame *f, struct attachment *a)
{
	__u16 priority, stag, ctag;
	struct attachment *out;
	__u32 peer;

	if (!f || !a) /* the verifier takes nothing of a global function's arguments for granted */
		return DROP_HEADROOM;
	peer = a->peer;
	priority = PRIORITY(f->stag ? f->stag : f->ctag);
	out = bpf_map_lookup_elem(&attachments, &peer);
	if (!out || !out->up)
		return DROP_ATTACHMENT_DOWN;
	if (!police(a->ingress, f->len + ETH_LEN))
		return DROP_POLICED_IN;
	if (f->len > out->mtu)
		return DROP_TOO_BIG_FRAME;
	if (!police(out->egress, f->len + ETH_LEN))
		return DONE(drop(peer, DROP_POLICED_OUT));
	stag = out->stag ? out->stag | priority : 0;
	ctag = out->ctag ? out->ctag | priority : 0;
	if (out->flags & ATT_ANYCTAG)
		ctag = f->ctag;
	if (!keep_macs(ctx, f))
		return DROP_HEADROOM;
	return DONE(emit(ctx, f, peer, out, f->dst, f->src, stag, ctag));
}
