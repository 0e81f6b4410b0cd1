// Package compile turns resources into plans, and reports into status. Everything here is pure: values in, values out.
//
// In:  a store snapshot (resources at one revision). Out: plan.Node for every node of the fabric; from reports, the status control writes.
//
// One file per noun: circuit.go, connection.go, gateway.go, network.go, crossconnection.go, interface.go. Objects that are Deleting are
// left out of plans; objects that refer to something missing are left out and named in Problems, never half compiled.
package compile

import (
	"onramp/plan"
	"onramp/resource"
)

// Input is everything plans are made from.
type Input struct {
	Fabric           *resource.Fabric // nil: no nodes
	Circuits         []*resource.Circuit
	CrossConnections []*resource.CrossConnection
	Networks         []*resource.Network
	Interfaces       []*resource.Interface
	Gateways         []*resource.Gateway
	Connections      []*resource.Connection
	// Open opens a sealed secret.
	Open func(resource.Sealed) (string, error)
}

// Output is the plans, without generations (the caller keeps those), and what could not be compiled.
type Output struct {
	Nodes    map[string]plan.Node
	Problems []Problem
}

// Problem says why an object (or a part of it) is in no plan.
type Problem struct {
	Object resource.ID
	Reason string
}
