package arm

import (
	"net/http"

	"onramp/resource"
)

// fromRule gives the refusals of package resource their ARM form; nil when err holds none. Several become the details of one answer.
func fromRule(err error) *fault {
	all := resource.Errors(err)
	if len(all) == 0 {
		return nil
	}
	e := refuse(ruleStatus(all[0].Kind), all[0].Code, "%s", all[0].Message)
	e.Target = all[0].Target
	if all[0].Code == resource.CodeNotReady {
		return notReady(all[0])
	}
	for _, r := range all[1:] {
		e.Details = append(e.Details, detail{Code: r.Code, Message: r.Message, Target: r.Target})
	}
	return e
}

// notReady is how Azure says that a referenced resource is still being written: clients retry it by themselves.
func notReady(r *resource.Error) *fault {
	e := refuse(http.StatusTooManyRequests, "RetryableError", "A retryable error occurred.")
	e.Target, e.RetryAfter = r.Target, 1
	e.Details = []detail{{Code: r.Code, Message: r.Message, Target: r.Target}}
	return e
}

func ruleStatus(k resource.ErrorKind) int {
	switch k {
	case resource.NotFound:
		return http.StatusNotFound
	case resource.Conflict:
		return http.StatusConflict
	case resource.Forbidden:
		return http.StatusForbidden
	case resource.Unsupported:
		return http.StatusNotImplemented
	}
	return http.StatusBadRequest // Invalid, InUse and Limit: Azure answers 400 for all three
}
