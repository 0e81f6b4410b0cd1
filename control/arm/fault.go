package arm

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"onramp/control/store"
	"onramp/resource"
)

// fault is an error with its ARM form.
type fault struct {
	Status     int
	Code       string
	Message    string
	Target     string
	Details    []detail
	RetryAfter int // seconds; 0: no header
}

type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Target  string `json:"target,omitempty"`
}

// Error is for logs.
func (e *fault) Error() string { return e.Code + ": " + e.Message }

func refuse(status int, code, format string, args ...any) *fault {
	return &fault{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// badField is a 400 about one property of the body.
func badField(target, code, format string, args ...any) *fault {
	e := refuse(http.StatusBadRequest, code, format, args...)
	e.Target = target
	return e
}

// badFormat is ARM's 400 for bodies that cannot be read, with the reason as a detail.
func badFormat(target, code, format string, args ...any) *fault {
	e := refuse(http.StatusBadRequest, "InvalidRequestFormat", "Cannot parse the request.")
	e.Target = target
	e.Details = []detail{{Code: code, Message: fmt.Sprintf(format, args...), Target: target}}
	return e
}

func missing(what string) *fault {
	return refuse(http.StatusNotImplemented, "NotImplemented", "%s is not implemented by this service.", what)
}

func notFound(id resource.ID) *fault {
	if len(id.Types) > 1 {
		return refuse(http.StatusNotFound, "NotFound", "Resource %s not found.", id)
	}
	kind := id.Namespace
	if len(id.Types) == 1 {
		kind += "/" + id.Types[0] + "/" + id.Names[0]
	}
	return refuse(http.StatusNotFound, "ResourceNotFound",
		"The Resource '%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", kind, id.Group)
}

func groupNotFound(name string) *fault {
	return refuse(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", name)
}

func subscriptionNotFound(id string) *fault {
	return refuse(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", id)
}

// toFault gives any error its ARM form. What has none is a 500 whose text stays in the log.
func toFault(err error) *fault {
	var e *fault
	if errors.As(err, &e) {
		return e
	}
	if e := fromRule(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, store.ErrUnavailable):
		e = refuse(http.StatusServiceUnavailable, "ServiceUnavailable", "The store of the service is unavailable; nothing was changed. Try again.")
		e.RetryAfter = 1
	case errors.Is(err, store.ErrConflict):
		e = refuse(http.StatusConflict, "Conflict", "The resource was changed meanwhile. Read it and try again.")
	case errors.Is(err, store.ErrNotFound):
		e = refuse(http.StatusNotFound, "ResourceNotFound", "The resource was not found.")
	case errors.Is(err, store.ErrExists):
		e = refuse(http.StatusConflict, "Conflict", "The resource exists already.")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e = refuse(http.StatusServiceUnavailable, "ServerTimeout", "The request took too long; it may be tried again.")
		e.RetryAfter = 1
	default:
		e = refuse(http.StatusInternalServerError, "InternalServerError", "An internal error happened; the service's log has it under the request id.")
	}
	return e
}
