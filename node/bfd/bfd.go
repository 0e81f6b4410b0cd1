// Package bfd detects dead paths: Bidirectional Forwarding Detection, asynchronous mode, one hop.
//
// In:  packets of one peer and the time. Out: packets to send, and changes of state for package node, which takes paths out of use.
//
// Machine is sans-I/O; a runner around it owns sockets and the clock. It runs in a process of its own, because beside a garbage-collecting
// BGP speaker packets come up to half a second late.
//
// Specs: RFC 5880 (protocol), 5881 (single hop), 5882 (use). Not here: authentication, echo, demand mode of our own, multihop.
package bfd
