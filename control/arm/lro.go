package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"onramp/control/store"
	"onramp/resource"
)

// What pollers are told to wait. Clients take a Retry-After of 0, or none, for 10 to 30 seconds; those that know retry-after-ms use it.
const (
	pollSeconds = "1"
	pollMillis  = "200"
)

// newOperation prepares the operation of a call; verb is "put", "delete" or "post".
func (c *call) newOperation(verb string, target resource.ID, location string) *store.Operation {
	if location == "" {
		location = "global"
	}
	op := &store.Operation{
		ID: uuid.NewString(), Resource: target, Verb: verb, Subscription: strings.ToLower(c.params["subscription"]), Location: location,
		Started: time.Now().UTC(),
	}
	if c.who != nil {
		op.Principal = c.who.ClientID
	}
	return op
}

// operationURL is where an operation is polled; kind is "operations" or "operationResults".
func (c *call) operationURL(kind, location, id string) string {
	return fmt.Sprintf("%s/subscriptions/%s/providers/%s/locations/%s/%s/%s?api-version=%s", c.base, strings.ToLower(c.params["subscription"]),
		networkNamespace, url.PathEscape(location), kind, id, url.QueryEscape(c.version))
}

// accepted is the answer that starts the polling of an operation: a PUT's with its body, a DELETE's and a POST's with Location as well.
func (c *call) accepted(op *store.Operation, status int, body any) answer {
	h := map[string]string{
		"Azure-AsyncOperation":              c.operationURL("operations", op.Location, op.ID),
		"Azure-AsyncNotification":           "Enabled",
		"Retry-After":                       pollSeconds,
		"retry-after-ms":                    pollMillis,
		"X-Go-Azure-Sdk-Skip-Polling-Delay": "true",
	}
	if op.Verb != "put" {
		h["Location"] = c.operationURL("operationResults", op.Location, op.ID)
	}
	return answer{status: status, body: body, header: h}
}

// acceptedWith adds the headers of polling to a PUT's answer.
func (c *call) acceptedWith(op *store.Operation, a answer) answer {
	for k, v := range c.accepted(op, a.status, nil).header {
		a.header[k] = v
	}
	return a
}

func (f *Front) operation(c *call) (*store.Operation, error) {
	op, err := f.cfg.Store.GetOperation(c.ctx, c.params["operation"])
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(http.StatusNotFound, "NotFound", "The operation '%s' was not found.", c.params["operation"])
	}
	return op, err
}

type operationWire struct {
	Status string     `json:"status"`
	Error  *errorWire `json:"error,omitempty"`
}

// getOperation answers the polling of Azure-AsyncOperation. The id is a secret of those that were given it, so that a customer may follow
// the provider's operation that a 409 named; results are for the subscription that asked.
func getOperation(f *Front, c *call) (answer, error) {
	op, err := f.operation(c)
	if err != nil {
		return answer{}, err
	}
	w := operationWire{Status: op.Status()}
	if op.Failure != nil {
		e := failureFault(op.Failure).wire()
		w.Error = &e
	}
	a := ok(w)
	if op.Ended.IsZero() {
		a.header = map[string]string{"Retry-After": pollSeconds, "retry-after-ms": pollMillis}
	}
	return a, nil
}

// getOperationResult answers the polling of Location.
func getOperationResult(f *Front, c *call) (answer, error) {
	op, err := f.operation(c)
	if err != nil {
		return answer{}, err
	}
	if !strings.EqualFold(op.Subscription, c.params["subscription"]) {
		return answer{}, refuse(http.StatusNotFound, "NotFound", "The operation '%s' was not found.", op.ID)
	}
	here := map[string]string{"Location": c.operationURL("operationResults", op.Location, op.ID)}
	switch {
	case op.Ended.IsZero():
		here["Retry-After"], here["retry-after-ms"] = pollSeconds, pollMillis
		return answer{status: http.StatusAccepted, header: here}, nil
	case op.Failure != nil:
		return answer{}, failureFault(op.Failure)
	case op.Verb == "post":
		return answer{status: http.StatusOK, body: json.RawMessage(op.Result), header: here}, nil
	}
	return answer{status: http.StatusNoContent}, nil
}

func failureFault(fl *resource.Failure) *fault {
	e := refuse(http.StatusConflict, fl.Code, "%s", fl.Message)
	e.Target = fl.Target
	return e
}

// action starts a query of the nodes in the background, keeps its result with the operation and answers 202 at once.
func (f *Front) action(c *call, target resource.ID, location string, query func(context.Context) (any, error)) (answer, error) {
	select {
	case f.actions <- struct{}{}:
	default:
		e := refuse(http.StatusTooManyRequests, "TooManyRequests", "%d table queries are running; try again.", maxActions)
		e.RetryAfter = 1
		return answer{}, e
	}
	op := c.newOperation("post", target, location)
	if err := f.cfg.Store.PutOperation(c.ctx, op); err != nil {
		<-f.actions
		return answer{}, err
	}
	f.running.Go(func() {
		defer func() { <-f.actions }()
		f.runAction(*op, query)
	})
	return c.accepted(op, http.StatusAccepted, json.RawMessage("null")), nil
}

func (f *Front) runAction(op store.Operation, query func(context.Context) (any, error)) {
	ctx, cancel := context.WithTimeout(f.life, f.cfg.OperationTimeout)
	defer cancel()
	result, err := guardedQuery(ctx, query)
	if err == nil {
		op.Result, err = json.Marshal(result)
	}
	if err != nil {
		e := toFault(err)
		if e.Status == http.StatusInternalServerError { // errors of Live are for people
			e.Code, e.Message = "QueryFailed", err.Error()
		}
		op.Failure = &resource.Failure{Code: e.Code, Message: e.Message, Target: e.Target}
	}
	op.Ended = time.Now().UTC()
	store, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.cfg.OperationTimeout)
	defer cancel()
	if err := f.cfg.Store.PutOperation(store, &op); err != nil {
		f.log.Error("store result of a query", "operation", op.ID, "resource", op.Resource, "error", err)
	}
}

func guardedQuery(ctx context.Context, query func(context.Context) (any, error)) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return query(ctx)
}
