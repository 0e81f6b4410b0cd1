// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* For a test alone: a frame that begins where a driver leaves no room, handed on to the data path. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define CROWD 188 /* of the 256 bytes before a frame, of which the kernel keeps some 40 */
#define FRAME 66

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
	__uint(max_entries, 1);
} next SEC(".maps");

SEC("xdp")
int crowd(struct xdp_md *ctx)
{
	__u8 *data, *end;
	int i;

	if (bpf_xdp_adjust_head(ctx, -CROWD))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + CROWD + FRAME > end)
		return XDP_ABORTED;
	for (i = 0; i < FRAME; i++)
		data[i] = data[i + CROWD];
	if (bpf_xdp_adjust_tail(ctx, -CROWD))
		return XDP_ABORTED;
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
