/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The tables the agent writes and the programs read. Ids are dense, from 1; 0 is none. layout.go mirrors the structs, and a test
 * compares both by BTF. Sizes (max_entries) are set by the loader. Mapped tables are written with aligned stores of at most 8 bytes:
 * what must change at once lies in one such word. */
#pragma once
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "drop.h"

#define inline_ static __always_inline

enum {
	PORT_UNDERLAY = 1, /* VXLAN arrives here, the rest passes to the kernel */
};

struct port {
	__u32 flags;
	__u16 tpid; /* of the outer tag, network order */
	__u16 pad;
	__be32 vtep; /* of the node, on an underlay port; 0: none */
	__u32 seed;  /* of the flow hash */
	__u32 zero;  /* 0 */
	__u32 pad2;
};

enum {
	ATT_TUNNEL = 1,       /* VXLAN (vni, remote) */
	ATT_CROSSCONNECT = 2, /* layer 2: leaves by peer */
	ATT_ANYCTAG = 4,      /* the inner tag is carried through */
	ATT_LOOSE = 8,        /* reverse path check, RFC 3704 */
	ATT_STRICT = 16,
};

struct attachment { /* one cache line */
	__u32 flags;
	__u32 up;
	__u32 domain;
	__u32 peer;    /* crossconnect: the other end */
	__u16 stag;    /* 0: none */
	__u16 ctag;    /* 0: none */
	__u16 tpid;    /* of the outer tag, network order */
	__u16 mtu;     /* L3 bytes */
	__u32 port;    /* slot in tx */
	__u32 punt;    /* ifindex, data path's end; 0: none */
	__u32 underlay;
	__u32 vni;
	__u32 ingress; /* policers */
	__u32 egress;
	__be32 address; /* own IPv4 address that ICMP errors come from */
	__u16 mac[3];
	__u16 pad;
	__u32 pad2;
};

struct underlay { /* the way to one remote VTEP; one cache line */
	__u64 outer[7]; /* the 50 bytes of outer headers, without lengths, source port and VNI; the IP checksum is the sum without them */
	__u32 port;     /* slot in tx */
	__u32 up;
};

enum { GROUP_NONE, GROUP_FORWARD, GROUP_LOCAL, GROUP_UNREACHABLE };

#define GROUP_HOPS 16

struct hop {
	__u32 adjacency;  /* 0: the destination itself is the neighbour */
	__u32 attachment;
};

struct group {
	__u32 kind;
	__u32 count;
	struct hop hops[GROUP_HOPS];
};

struct adjacency {
	__u16 mac[3];
	__u16 up;     /* in one word with the MAC */
	__u32 attachment;
	__u32 family; /* 4 or 6; 0: free */
	__u8 addr[16];
};

struct domain {
	__u32 root; /* first word of the table's root */
	__u32 pad;
};

/* The 64 (or 4) slots of a table node below the root, run-length compressed: bit i is set where slot i differs from slot i-1; bit 0 always. The
 * value of a slot is the 32-bit word of index base + number of bits up to the slot - 1, in the same memory, most often the same line. A flat node has all bits set, and its values
 * follow the word. */
struct word {
	__u64 bits;
	__u32 base;
	__u32 dflt; /* what a shorter prefix of the parent says; 0: nothing */
};

#define ROOT_BITS 12
#define ENTRY_CHILD 0x80000000u /* the rest is a node; else a group, 0 none */
#define ENTRY_FLAT 0x40000000u  /* the node's bits are all set: values are found without them */
#define ENTRY_NODE 0x3fffffffu  /* its word index */

/* One slot of the table of keys: a hash table in mapped memory, four slots a bucket and cache line. */
struct slot {
	__u64 key; /* 0: free */
	__u32 value;
	__u32 pad;
};

#define BUCKET 4
#define PROBES 4 /* buckets that may hold a key, one after the other */

struct policer {
	__u64 full;  /* when the bucket will be full again, in 1/64 ns (GCRA) */
	__u64 cost;  /* 1/64 ns a byte, times 65536 */
	__u64 burst; /* 1/64 ns */
	__u64 ahead; /* bytes a CPU may take at once; 0: what a packet needs */
	__u64 pad[4];
};

struct policed {
	__u64 passed_packets, passed_bytes, dropped_packets, dropped_bytes;
	__u64 credit; /* bytes this CPU took from the bucket ahead */
};

struct count { /* per attachment; id 0 is the node itself */
	__u64 in_packets, in_bytes, out_packets, out_bytes;
	__u64 drops[60];
};

struct limits { /* per attachment, as policer.full */
	__u64 icmp, punt, miss, pad;
};

struct settings {
	__u32 abi; /* layout.go's, of what is pinned */
	__u32 pad;
};

struct class_key { /* of strangers */
	__u32 ifindex;
	__u16 stag, ctag;
};

/* Keys: the kind in the top byte. */
#define KEY_PORT(ifindex_) (1ull << 56 | (ifindex_))                                  /* id in ports */
#define KEY_CLASS(port_, s_, c_) (2ull << 56 | (__u64)(port_) << 32 | (__u32)(s_) << 16 | (c_)) /* attachment */
#define KEY_TUNNEL(vni_, remote_) (3ull << 56 | (__u64)(vni_) << 32 | (remote_))      /* attachment; remote in network order */
#define KEY_PUNT(ifindex_) (4ull << 56 | (ifindex_))                                  /* attachment */
#define TAG_ANY 0xffff    /* C-tag: any */
#define TAG_EXISTS 0xfffe /* C-tag: some attachment has this S-tag */

struct host_key {
	__u32 attachment;
	__be32 addr;
};

struct local6_key {
	__u32 domain;
	__u32 addr[4];
};

struct name_key {
	__u8 hash[16];
};

struct name {
	__u32 id;
	__u32 kind;
	char text[120];
};

struct miss { /* a neighbour that somebody should resolve */
	__u32 attachment;
	__be32 addr;
};

#define TABLE(name_, type_, key_, value_, flags_)        \
	struct {                                         \
		__uint(type, type_);                     \
		__type(key, key_);                       \
		__type(value, value_);                   \
		__uint(max_entries, 64);                 \
		__uint(map_flags, flags_);               \
	} name_ SEC(".maps")

#define MAPPED(name_, value_) TABLE(name_, BPF_MAP_TYPE_ARRAY, __u32, value_, BPF_F_MMAPABLE)
#define KEYED(name_, key_, value_) TABLE(name_, BPF_MAP_TYPE_HASH, key_, value_, BPF_F_NO_PREALLOC)

MAPPED(settings, struct settings);
MAPPED(ports, struct port);
MAPPED(keys, struct slot);
MAPPED(attachments, struct attachment);
MAPPED(underlays, struct underlay);
MAPPED(domains, struct domain);
MAPPED(words, struct word);
MAPPED(groups, struct group);
MAPPED(adjacencies, struct adjacency);
MAPPED(policers, struct policer);
KEYED(hosts, struct host_key, __u32);
KEYED(locals6, struct local6_key, __u32);
KEYED(names, struct name_key, struct name);
MAPPED(retired, struct count); /* drops of attachments that are gone */
TABLE(counts, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct count, 0);
TABLE(policed, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, struct policed, 0);
TABLE(limits, BPF_MAP_TYPE_ARRAY, __u32, struct limits, 0);
TABLE(tx, BPF_MAP_TYPE_DEVMAP, __u32, __u32, 0);
TABLE(strangers, BPF_MAP_TYPE_LRU_HASH, struct class_key, __u64, 0); /* tags nobody knows, and how often */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} misses SEC(".maps");

volatile const __u32 key_buckets = 64; /* a power of two; set by the loader */

inline_ __u32 bucket_of(__u64 key)
{
	return (__u32)((key * 0x9e3779b97f4a7c15ull) >> 32) & (key_buckets - 1);
}

/* find_more looks through all places that a key may have. */
__noinline __u32 find_more(__u64 key)
{
	__u32 first = bucket_of(key) * BUCKET, i, index;
	struct slot *s;

	for (i = 1; i < PROBES * BUCKET; i++) {
		index = (first + i) & (key_buckets * BUCKET - 1);
		s = bpf_map_lookup_elem(&keys, &index);
		if (s && s->key == key)
			return s->value;
	}
	return 0;
}

/* find answers a key's value, 0 for none. Most keys are in the first slot of their bucket. */
inline_ __u32 find(__u64 key)
{
	__u32 index = bucket_of(key) * BUCKET;
	struct slot *s = bpf_map_lookup_elem(&keys, &index);

	if (s && s->key == key)
		return s->value;
	return find_more(key);
}
