/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Why a packet ends here. Each reason is a counter, a metric label (the name in lower case without DROP_) and a packet test.
 * gen.sh makes reasons.go from this enum: one reason a line, its comment is the documentation. Append only: numbers are pinned. */
#pragma once

enum drop {
	DROP_NONE,                 /* not dropped */
	DROP_PORT_UNKNOWN,         /* the port is not of the configuration */
	DROP_FRAME_TRUNCATED,      /* shorter than its Ethernet header and tags */
	DROP_TPID_WRONG,           /* a tag's EtherType is not the one the port uses */
	DROP_TAG_PRIORITY,         /* VLAN 0, a priority tag */
	DROP_TAG_RESERVED,         /* VLAN 4095 */
	DROP_TAG_THIRD,            /* more than two tags */
	DROP_TAG_MISSING,          /* untagged, and the port has no untagged attachment */
	DROP_STAG_UNKNOWN,         /* no attachment of the port has the outer tag */
	DROP_CTAG_UNKNOWN,         /* no attachment of the port has the inner (or only) tag */
	DROP_CTAG_MISSING,         /* one tag where the port expects two */
	DROP_OUTER_LENGTH,         /* VXLAN: outer lengths do not fit the frame */
	DROP_OUTER_CHECKSUM,       /* VXLAN: outer IP header checksum is wrong */
	DROP_OUTER_FRAGMENT,       /* VXLAN: outer packet is a fragment */
	DROP_VXLAN_FLAGS,          /* VXLAN: no valid VNI in the header (RFC 7348 section 5) */
	DROP_VNI_UNKNOWN,          /* VXLAN: no attachment has the VNI */
	DROP_VTEP_UNKNOWN,         /* VXLAN: the VNI is known, but not from this remote end point */
	DROP_INNER_TAGGED,         /* VXLAN: the inner frame is tagged */
	DROP_ATTACHMENT_DOWN,      /* crossconnect: the other end is down */
	DROP_MAC_OTHER,            /* destination MAC is not the attachment's own */
	DROP_ETHERTYPE_UNKNOWN,    /* neither IP nor ARP on a routed attachment */
	DROP_IP_HEADER,            /* IP version or header length is wrong */
	DROP_IP_LENGTH,            /* IP length does not fit header and frame */
	DROP_IP_CHECKSUM,          /* IPv4 header checksum is wrong */
	DROP_SOURCE_MARTIAN,       /* source is no unicast address (RFC 1812 section 5.3.7) */
	DROP_DESTINATION_MARTIAN,  /* destination is no unicast address */
	DROP_SOURCE_UNROUTED,      /* reverse path: no route to the source */
	DROP_SOURCE_OTHER_PATH,    /* reverse path: routes to the source leave elsewhere */
	DROP_POLICED_IN,           /* over the rate of the ingress policer */
	DROP_POLICED_OUT,          /* over the rate of the egress policer */
	DROP_NO_ROUTE,             /* no route to the destination; ICMP network unreachable */
	DROP_UNREACHABLE,          /* an unreachable route; ICMP host unreachable */
	DROP_PATH_DOWN,            /* every next hop is down or unresolved; ICMP host unreachable */
	DROP_NEIGHBOR_UNRESOLVED,  /* a connected destination whose MAC is not known yet */
	DROP_TTL_EXPIRED,          /* ICMP time exceeded */
	DROP_TOO_BIG,              /* over the MTU with DF set; ICMP fragmentation needed */
	DROP_TOO_BIG_FRAGMENTABLE, /* over the MTU without DF: would have to be fragmented here */
	DROP_TOO_BIG_FRAME,        /* crossconnect: over the MTU of the other end */
	DROP_LOCAL_CLOSED,         /* to an own address, where nothing listens for it */
	DROP_LOCAL_FRAGMENT,       /* a fragment to an own address */
	DROP_PUNT_LIMITED,         /* more control packets than an attachment may send */
	DROP_PUNT_MISSING,         /* a control packet on an attachment without a punt device */
	DROP_IPV6_UNSUPPORTED,     /* IPv6 that would have to be forwarded */
	DROP_UNDERLAY_UNRESOLVED,  /* VXLAN: MAC towards the remote end point is not known yet */
	DROP_HEADROOM,             /* the driver left no room for the new headers */
	DROP_PORT_DOWN,            /* the port to leave by is gone */
	DROP_PUNT_UNKNOWN,         /* a frame of the kernel on a device that is no attachment's */
	DROP_REASONS,
};
