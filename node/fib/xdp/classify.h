/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Station: classify. (port, S-tag, C-tag) is an attachment, or a reason. */
#pragma once
#include "parse.h"

/* stranger notes tags that nobody knows, so that "31 seen, 30 expected" can be said. */
__noinline int stranger(__u32 ifindex, __u16 stag, __u16 ctag)
{
	struct class_key key = {.ifindex = ifindex, .stag = stag, .ctag = ctag};
	__u64 *seen = bpf_map_lookup_elem(&strangers, &key), one = 1;

	if (seen)
		__sync_fetch_and_add(seen, 1);
	else
		bpf_map_update_elem(&strangers, &key, &one, BPF_ANY);
	return 0;
}

__noinline int classify_miss(__u32 ifindex, __u32 port, __u16 stag, __u16 ctag)
{
	stranger(ifindex, stag, ctag);
	if (!stag && !ctag)
		return DROP_TAG_MISSING;
	if (stag)
		return find(KEY_CLASS(port, stag, TAG_EXISTS)) ? DROP_CTAG_UNKNOWN : DROP_STAG_UNKNOWN;
	return find(KEY_CLASS(port, ctag, TAG_EXISTS)) ? DROP_CTAG_MISSING : DROP_CTAG_UNKNOWN;
}

inline_ int classify(__u32 ifindex, struct frame *f)
{
	__u32 stag = VID(f->stag), ctag = VID(f->ctag);
	__u32 id = find(KEY_CLASS(f->port, stag, ctag));

	if (!id && ctag)
		id = find(KEY_CLASS(f->port, stag, TAG_ANY));
	if (!id)
		return classify_miss(ifindex, f->port, stag, ctag);
	f->in = id;
	return DROP_NONE;
}
