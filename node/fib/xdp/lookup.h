/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: lookup. Longest prefix match in the domain's table, strides 12-6-6-6-2, then the choice of a live path of the group.
 *
 *   domain.root -> 4096 values -> word, values -> word, values -> word, values -> word, values
 *                  12 bits        6               6               6               2
 */
#pragma once
#include "parse.h"

/* Software popcount: BPF has no instruction for it. */
inline_ __u32 popcount(__u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (x * 0x0101010101010101ull) >> 56;
}

/* value_at reads the 32-bit word of an index. */
inline_ __u32 value_at(__u32 at)
{
	__u32 index = at >> 2;
	__u32 *values = bpf_map_lookup_elem(&words, &index);

	return values ? values[at & 3] : 0;
}

/* step reads one slot of a node; best becomes the node's default where it has one. */
inline_ __u32 step(__u32 entry, __u32 slot, __u32 *best)
{
	__u32 node = entry & ENTRY_NODE;
	struct word *w = bpf_map_lookup_elem(&words, &node);

	if (!w)
		return 0;
	if (w->dflt)
		*best = w->dflt;
	if (entry & ENTRY_FLAT)
		return value_at((node + 1) * 4 + slot);
	return value_at(w->base + popcount(w->bits << (63 - slot)) - 1);
}

/* deeper goes on below /24. Few prefixes are that long, and code that is not run should not be in the way. */
__noinline __u32 deeper(__u32 entry, __u32 addr, __u32 best)
{
	entry = step(entry, (addr >> 2) & 63, &best);
	if (entry & ENTRY_CHILD)
		entry = step(entry, addr & 3, &best);
	return entry ? entry : best;
}

/* lookup answers the group of the longest prefix, 0 for none. root is a word index; addr is in host order. */
inline_ __u32 lookup(__u32 root, __u32 addr)
{
	__u32 best = 0, e = value_at(root * 4 + (addr >> (32 - ROOT_BITS)));

	if (!(e & ENTRY_CHILD))
		return e;
	e = step(e, (addr >> 14) & 63, &best);
	if (!(e & ENTRY_CHILD))
		return e ? e : best;
	e = step(e, (addr >> 8) & 63, &best);
	if (!(e & ENTRY_CHILD))
		return e ? e : best;
	return deeper(e, addr, best);
}

/* root_of answers a domain's table, 0 for none. A packet asks once, so that all it looks up is of one generation. */
inline_ __u32 root_of(__u32 domain)
{
	struct domain *d = bpf_map_lookup_elem(&domains, &domain);

	return d ? d->root : 0;
}

inline_ struct group *route(__u32 root, __be32 addr)
{
	__u32 index = root ? lookup(root, bpf_ntohl(addr)) : 0;

	return index ? bpf_map_lookup_elem(&groups, &index) : 0;
}

/* flow_hash mixes the 5-tuple; fragments of one packet agree, because they have no ports. */
inline_ __u32 flow_hash(__u32 seed, __be32 src, __be32 dst, __u32 ports, __u8 protocol)
{
	__u64 h = ((__u64)src << 32 | dst) ^ seed;

	h *= 0x9e3779b97f4a7c15ull;
	h ^= h >> 32;
	h += (__u64)ports << 8 | protocol;
	h *= 0xd6e8feb86659fd93ull;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ull;
	return h >> 32;
}

struct path {
	__u32 id;                /* of the attachment to leave by */
	struct attachment *out;
	struct adjacency *to;
};

/* resolve fills p with one hop if it is live. */
inline_ int resolve(const struct hop *h, __be32 dst, struct path *p)
{
	__u32 adjacency = h->adjacency;

	p->id = h->attachment;
	p->out = bpf_map_lookup_elem(&attachments, &p->id);
	if (!p->out || !p->out->up)
		return DROP_PATH_DOWN;
	if (!adjacency) {
		struct host_key key = {.attachment = p->id, .addr = dst};
		__u32 *host = bpf_map_lookup_elem(&hosts, &key);

		if (!host)
			return DROP_NEIGHBOR_UNRESOLVED;
		adjacency = *host;
	}
	p->to = bpf_map_lookup_elem(&adjacencies, &adjacency);
	if (!p->to)
		return DROP_PATH_DOWN;
	if (!p->to->up)
		return h->adjacency ? DROP_PATH_DOWN : DROP_NEIGHBOR_UNRESOLVED;
	return DROP_NONE;
}

/* again looks for another live hop, when the first is dead: a second choice by the hash, then all in order. */
static __noinline int again(struct group *g, __u32 first, __u32 hash, __be32 dst, struct path *p)
{
	__u32 n, i;
	int why = DROP_PATH_DOWN;

	if (!g || !p)
		return DROP_PATH_DOWN;
	n = g->count;
	if (n < 2 || n > GROUP_HOPS)
		return DROP_PATH_DOWN;
	first += 1 + (hash & 0xffff) % (n - 1);
	for (i = 0; i < GROUP_HOPS; i++) {
		if (i >= n)
			break;
		why = resolve(&g->hops[((first + i) % n) & (GROUP_HOPS - 1)], dst, p);
		if (!why)
			return DROP_NONE;
	}
	return why;
}

/* choose picks the path of the flow. A dead adjacency or attachment is skipped, flows on live ones stay where they are. */
inline_ int choose(struct group *g, __u32 hash, __be32 dst, struct path *p)
{
	__u32 first = ((__u64)hash * g->count) >> 32;
	int why = resolve(&g->hops[first & (GROUP_HOPS - 1)], dst, p);

	if (why && g->count > 1)
		return again(g, first, hash, dst, p);
	return why;
}

/* leaves_by reports whether one of the group's paths leaves by the attachment. */
inline_ int leaves_by(struct group *g, __u32 attachment)
{
	__u32 i;

	for (i = 0; i < GROUP_HOPS; i++) {
		if (i >= g->count)
			break;
		if (g->hops[i].attachment == attachment)
			return 1;
	}
	return 0;
}
