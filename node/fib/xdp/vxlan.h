/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: VXLAN (RFC 7348) over IPv4, both ways. */
#pragma once
#include "parse.h"

#define UDP 17
#define VXLAN_PORT bpf_htons(4789)
#define VXLAN_FLAG_VNI bpf_htonl(0x08000000)
#define OUTER_LEN (ETH_LEN + 20 + 8 + 8)

struct udp {
	__be16 src, dst, len;
	__u16 check;
};

struct vxlan {
	__be32 flags, vni;
};

struct outer { /* aligned views of the headers, because a packed struct would be written byte by byte */
	struct eth *eth;
	struct ipv4 *ip;
	struct udp *udp;
	struct vxlan *vxlan;
	struct eth *inner;
};

inline_ struct outer outer_at(void *data)
{
	return (struct outer){data, data + ETH_LEN, data + ETH_LEN + 20, data + ETH_LEN + 28, data + OUTER_LEN};
}

inline_ __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* header_sum adds the 20 bytes of a header without options; a right one sums to 0xffff. */
inline_ __u16 header_sum(const void *ip)
{
	const __u32 *w = ip;

	return fold((__u64)w[0] + w[1] + w[2] + w[3] + w[4]);
}

#define PASS_TO_KERNEL (-1)

/* decapsulate finds the attachment of a frame on an underlay port. f.l3 becomes the inner header. */
inline_ int decapsulate(void *data, void *end, __be32 vtep, struct frame *f)
{
	struct outer o = outer_at(data);
	__u32 vni, room, len;

	if (data + ETH_LEN + 28 > end || o.eth->type != TYPE_IPV4 || o.ip->vihl != 0x45)
		return PASS_TO_KERNEL;
	if (o.ip->protocol != UDP || o.ip->dst != vtep || o.udp->dst != VXLAN_PORT || (o.ip->frag & bpf_htons(0x1fff)))
		return PASS_TO_KERNEL;
	if (o.ip->frag & FRAG_MORE_OFFSET)
		return DROP_OUTER_FRAGMENT;
	if (data + OUTER_LEN + ETH_LEN > end)
		return DROP_OUTER_LENGTH;
	room = span(o.ip, end);
	len = bpf_ntohs(o.ip->len);
	if (len > room || bpf_ntohs(o.udp->len) != len - 20 || len < OUTER_LEN)
		return DROP_OUTER_LENGTH;
	if (header_sum(o.ip) != 0xffff)
		return DROP_OUTER_CHECKSUM;
	if (!(o.vxlan->flags & VXLAN_FLAG_VNI))
		return DROP_VXLAN_FLAGS;

	vni = bpf_ntohl(o.vxlan->vni) >> 8;
	f->in = find(KEY_TUNNEL(vni, o.ip->src));
	if (!f->in)
		return find(KEY_TUNNEL(vni, 0)) ? DROP_VTEP_UNKNOWN : DROP_VNI_UNKNOWN;
	f->stag = f->ctag = 0;
	f->eth = OUTER_LEN;
	f->type = o.inner->type;
	f->l3 = OUTER_LEN + ETH_LEN;
	f->len = len - (OUTER_LEN - ETH_LEN) - ETH_LEN;
	return is_tag(f->type) ? DROP_INNER_TAGGED : DROP_NONE;
}

/* encapsulate copies the outer headers to this remote and fills what differs by packet. len is L3 bytes. */
inline_ void encapsulate(struct outer o, const struct underlay *u, __u32 vni, __u32 hash, __u32 len)
{
	__u64 *to = (void *)o.eth;

	to[0] = u->outer[0];
	to[1] = u->outer[1];
	to[2] = u->outer[2];
	to[3] = u->outer[3];
	to[4] = u->outer[4];
	to[5] = u->outer[5];
	o.ip->len = bpf_htons(len + ETH_LEN + 36);
	o.ip->check = ~fold((__u64)o.ip->check + o.ip->len);
	o.udp->src = bpf_htons(0xc000 | (hash & 0x3fff)); /* RFC 7348 section 5: 49152-65535 by flow */
	o.udp->len = bpf_htons(len + ETH_LEN + 16);
	o.vxlan->vni = bpf_htonl(vni << 8);
}
