/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: parse. Ethernet and up to two tags; the result is a frame, whose offsets hold until the first adjust_head. */
#pragma once
#include "tables.h"

#define ETH_LEN 14
#define TAG_LEN 4
#define TYPE_IPV4 bpf_htons(0x0800)
#define TYPE_ARP bpf_htons(0x0806)
#define TYPE_IPV6 bpf_htons(0x86dd)
#define TYPE_8021Q bpf_htons(0x8100)
#define TYPE_8021AD bpf_htons(0x88a8)
#define TYPE_9100 bpf_htons(0x9100)
#define VID(tci_) ((tci_) & 0x0fff)
#define PRIORITY(tci_) ((tci_) & 0xf000)

struct eth {
	__u16 dst[3], src[3], type;
};

struct tag {
	__u16 tci, type;
};

struct ipv4 {
	__u8 vihl, tos;
	__be16 len, id, frag;
	__u8 ttl, protocol;
	__u16 check;
	__be32 src, dst;
};

#define FRAG_DF bpf_htons(0x4000)
#define FRAG_MORE_OFFSET bpf_htons(0x3fff)

struct l4 { /* the first words of TCP, UDP and ICMP */
	__be16 src, dst; /* ICMP: type and code, checksum */
};

struct frame {
	__u32 in;         /* attachment */
	__u32 l3;         /* offset of the L3 header from data */
	__u32 len;        /* L3 bytes */
	__u16 dst[4], src[4]; /* filled by keep_macs, where headers are about to be overwritten */
	__u16 stag, ctag; /* as received, with priority bits; 0: none */
	__u16 type;       /* EtherType after the tags, network order */
	__u16 head;       /* bytes of the IPv4 header */
	__u32 eth;        /* offset of the Ethernet header that counts */
	__u32 port;
	__u32 seed;
	__be16 sport, dport; /* TCP and UDP, when not a fragment; else 0 */
	__u16 mtu;        /* of the next hop, when the packet is too big */
	__u16 pad;        /* no holes: the whole is handed to global functions */
	__u32 hash;       /* of the flow */
};

/* l3_of and head_of bound an offset for the verifier, in a way the compiler does not see through. */
inline_ __u32 l3_of(const struct frame *f)
{
	__u32 l3 = f->l3;

	asm volatile("" : "+r"(l3));
	return l3 & 0x7f;
}

inline_ __u32 head_of(const struct frame *f)
{
	__u32 head = f->head;

	asm volatile("" : "+r"(head));
	return head & 0x3c;
}

/* span is the bytes between two pointers; the compiler must not subtract halves of them. */
inline_ __u32 span(const void *from, const void *to)
{
	__u64 n = to - from;

	asm volatile("" : "+r"(n));
	return n;
}

/* MACs move as 4 and 2 bytes, at any alignment but on the stack. */
inline_ void mac_copy(__u16 *to, const __u16 *from)
{
	*(__u32 *)to = *(const __u32 *)from;
	to[2] = from[2];
}

inline_ int mac_equal(const __u16 *a, const __u16 *b)
{
	return *(const __u32 *)a == *(const __u32 *)b && a[2] == b[2];
}

inline_ int mac_group(const __u16 *a)
{
	return *(const __u8 *)a & 1;
}

/* keep_macs saves the addresses before the head moves. */
inline_ int keep_macs(struct xdp_md *ctx, struct frame *f)
{
	__u32 at = f->eth;
	struct eth *eth;

	asm volatile("" : "+r"(at));
	eth = (void *)(long)ctx->data + (at & 0x3f);
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return 0;
	mac_copy(f->dst, eth->dst);
	mac_copy(f->src, eth->src);
	return 1;
}

inline_ int is_tag(__u16 type)
{
	return type == TYPE_8021Q || type == TYPE_8021AD || type == TYPE_9100;
}

inline_ int vid_bad(__u16 tci)
{
	if (VID(tci) == 0)
		return DROP_TAG_PRIORITY;
	if (VID(tci) == 0x0fff)
		return DROP_TAG_RESERVED;
	return DROP_NONE;
}

/* parse_tags reads what follows the Ethernet header: nothing, a C-tag, or an S-tag and a C-tag. One tag with the S-tag's EtherType is a
 * C-tag when that is 0x8100, and half a pair otherwise. */
inline_ int parse_tags(void *data, void *end, __u16 tpid, struct frame *f)
{
	struct eth *eth = data;
	struct tag *t = data + ETH_LEN;
	int bad;

	if ((void *)(eth + 1) > end)
		return DROP_FRAME_TRUNCATED;
	f->eth = 0;
	f->type = eth->type;
	f->stag = f->ctag = 0;
	f->l3 = ETH_LEN;
	if (!is_tag(f->type))
		return DROP_NONE;

	if ((void *)(t + 1) > end)
		return DROP_FRAME_TRUNCATED;
	if (f->type != tpid && f->type != TYPE_8021Q)
		return DROP_TPID_WRONG;
	f->ctag = bpf_ntohs(t->tci);
	if ((bad = vid_bad(f->ctag)))
		return bad;
	f->l3 = ETH_LEN + TAG_LEN;
	if (!is_tag(t->type)) {
		if (f->type != TYPE_8021Q)
			return DROP_CTAG_MISSING;
		f->type = t->type;
		return DROP_NONE;
	}

	if (f->type != tpid || t->type != TYPE_8021Q)
		return DROP_TPID_WRONG;
	f->stag = f->ctag;
	t++;
	if ((void *)(t + 1) > end)
		return DROP_FRAME_TRUNCATED;
	f->ctag = bpf_ntohs(t->tci);
	if ((bad = vid_bad(f->ctag)))
		return bad;
	f->l3 = ETH_LEN + 2 * TAG_LEN;
	f->type = t->type;
	return is_tag(f->type) ? DROP_TAG_THIRD : DROP_NONE;
}
