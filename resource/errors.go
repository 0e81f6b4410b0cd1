package resource

import "fmt"

// ErrorKind is what sort of refusal an Error is. There are few; the HTTP front maps each to one status.
type ErrorKind string

// The kinds of refusal.
const (
	Invalid     ErrorKind = "invalid"     // the request can never be right as it is written
	NotFound    ErrorKind = "not found"   // it names something that does not exist
	Conflict    ErrorKind = "conflict"    // it would be right in another state of the world
	Forbidden   ErrorKind = "forbidden"   // the caller may not
	InUse       ErrorKind = "in use"      // something else still needs what would go away
	Limit       ErrorKind = "limit"       // a number would be exceeded
	Unsupported ErrorKind = "unsupported" // the service does not do that
)

// Error is a rule that a request breaks.
type Error struct {
	Kind    ErrorKind
	Code    string // ARM error code
	Target  string // field path in the request, "properties.peerings[0].vlanId"; "" when no field is at fault
	Message string // names the field, the rule and what was seen
}

// Error is the message, led by the field.
func (e *Error) Error() string {
	if e.Target == "" {
		return e.Message
	}
	return e.Target + ": " + e.Message
}

// The ARM codes of refusals.
const (
	CodeInvalidFormat    = "InvalidRequestFormat"
	CodeInvalidValue     = "InvalidParameterValue"
	CodeInvalidName      = "InvalidResourceName"
	CodeDuplicateName    = "DuplicateResourceName"
	CodeBadReference     = "InvalidResourceReference"
	CodeNotFound         = "NotFound"
	CodeChangeRefused    = "PropertyChangeNotAllowed"
	CodeLimit            = "ResourceCountExceedsLimit"
	CodeConflict         = "ConflictError"
	CodeNotProvisioned   = "CircuitNotProvisioned"
	CodeNoPeering        = "PrivatePeeringNotConfigured"
	CodeNotReady         = "ReferencedResourceNotProvisioned"
	CodeAuthorization    = "AuthorizationKeyInvalid"
	CodeOutsideNetwork   = "NetcfgSubnetRangeOutsideVnet"
	CodeSubnetsOverlap   = "NetcfgSubnetRangesOverlap"
	CodeInvalidSubnet    = "NetcfgInvalidSubnet"
	CodeSpacesOverlap    = "VnetAddressSpacesOverlap"
	CodeSubnetInUse      = "InUseSubnetCannotBeDeleted"
	CodeNetworkInUse     = "InUseVirtualNetworkCannotBeDeleted"
	CodeGatewayInUse     = "VirtualNetworkGatewayCannotBeDeleted"
	CodePublicInUse      = "PublicIPAddressCannotBeDeleted"
	CodePeeringInUse     = "InUsePeeringCannotBeDeleted"
	CodeAuthInUse        = "InUseAuthorizationCannotBeDeleted"
	CodeGatewayExists    = "MaxGatewayCountInVnetReached"
	CodeAddressInUse     = "PrivateIPAddressInUse"
	CodeAddressReserved  = "PrivateIPAddressInReservedRange"
	CodeAddressElsewhere = "PrivateIPAddressNotInSubnet"
	CodeSubnetFull       = "SubnetIsFull"
	CodePeeringOwner     = "PeeringOwnedByOtherParty"
	CodePortInUse        = "PortAlreadyInUse"
	CodeCapacity         = "InsufficientPortCapacity"
	CodeUnsupported      = "OperationNotSupported"
)

func refuse(kind ErrorKind, code, target, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Target: target, Message: fmt.Sprintf(format, args...)}
}

func invalid(target, format string, args ...any) *Error {
	return refuse(Invalid, CodeInvalidValue, target, format, args...)
}

// Errors lists the refusals inside err, which may wrap and join several; nil when err holds none.
func Errors(err error) []*Error {
	switch e := err.(type) {
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, one := range e.Unwrap() {
			all = append(all, Errors(one)...)
		}
		return all
	case interface{ Unwrap() error }:
		return Errors(e.Unwrap())
	}
	return nil
}
