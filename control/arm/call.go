package arm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"onramp/resource"
)

// call is one request on its way through the front.
type call struct {
	ctx     context.Context
	r       *http.Request
	route   *route
	params  map[string]string // by the names in the route's path, as the client spelled them
	version string            // api-version; "" where a route needs none
	base    string            // "https://host:port", no slash at the end
	who     *principal        // nil on anonymous routes
	body    []byte
	ids     requestIDs
}

// answer is what a handler returns; body nil: empty. A json.RawMessage is written as it is.
type answer struct {
	status int
	body   any
	header map[string]string
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// list is the envelope of every collection.
type list struct {
	Value any `json:"value"`
}

func listOf[T any](rows []T) list {
	if rows == nil {
		rows = []T{}
	}
	return list{Value: rows}
}

// ServeHTTP answers one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	c := &call{ctx: r.Context(), r: r, base: f.base(r), ids: newRequestIDs(r)}
	a, err := f.guarded(w, c)
	if err != nil {
		a = f.errorAnswer(c, err)
	}
	f.write(w, c, a)
	who := ""
	if c.who != nil {
		who = c.who.Name
	}
	f.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", a.status, "who", who, "request", c.ids.request, "took", time.Since(began))
}

// guarded turns a panic of one request into that request's 500.
func (f *Front) guarded(w http.ResponseWriter, c *call) (a answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in %s %s: %v\n%s", c.r.Method, c.r.URL.Path, p, debug.Stack())
		}
	}()
	return f.serve(w, c)
}

func (f *Front) serve(w http.ResponseWriter, c *call) (answer, error) {
	segs, err := splitPath(c.r.URL.EscapedPath())
	if err != nil {
		return answer{}, refuse(http.StatusBadRequest, "InvalidRequestUri", "The path is not valid: %v.", err)
	}
	found, params := f.router.match(segs)
	if found != nil {
		c.route, c.params = found.rows[c.r.Method], params
	}
	if c.route == nil || c.route.Action != anonymous {
		if c.who, err = f.authenticate(c); err != nil {
			return answer{}, err
		}
	}
	if err := c.checkVersion(); err != nil {
		return answer{}, err
	}
	if c.route == nil {
		return answer{}, f.unrouted(c, found, segs)
	}
	if c.route.Action != anonymous {
		if err := f.admit(c); err != nil {
			return answer{}, err
		}
		if err := f.unlocked(c); err != nil {
			return answer{}, err
		}
	}
	if err := c.readBody(w); err != nil {
		return answer{}, err
	}
	return c.route.Do(f, c)
}

// unrouted explains a path or method that the table does not have.
func (f *Front) unrouted(c *call, found *branch, segs []string) error {
	if found != nil {
		return refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method %s is not allowed on '%s'; %s are.", c.r.Method, c.r.URL.Path,
			strings.Join(slices.Sorted(maps.Keys(found.rows)), ", "))
	}
	for i, s := range segs {
		if strings.EqualFold(s, "providers") && i+2 < len(segs) {
			ns, typ := segs[i+1], segs[i+2]
			if strings.EqualFold(ns, networkNamespace) {
				if known := knownType(typ); known != "" {
					return missing(fmt.Sprintf("%s %s under %s/%s", c.r.Method, strings.Join(segs[i+3:], "/"), networkNamespace, known))
				}
			}
			return refuse(http.StatusBadRequest, "NoRegisteredProviderFound",
				"No registered resource provider found for location '' and API version '%s' for type '%s' in namespace '%s'.", c.version, typ, ns)
		}
	}
	return refuse(http.StatusNotFound, "InvalidResourceUri", "There is nothing at '%s'.", c.r.URL.Path)
}

var versionForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-zA-Z0-9]+)?$`)

// checkVersion reads api-version. Anonymous routes and the operator's own need none.
func (c *call) checkVersion() error {
	for k, v := range c.r.URL.Query() {
		if strings.EqualFold(k, "api-version") && len(v) > 0 {
			c.version = v[0]
		}
	}
	if c.route != nil && (c.route.Action == anonymous || strings.HasPrefix(c.route.Action, fabricNamespace)) {
		return nil
	}
	if c.version == "" {
		return refuse(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	}
	if !versionForm.MatchString(c.version) {
		return refuse(http.StatusBadRequest, "InvalidApiVersionParameter",
			"The api-version '%s' is invalid. The format is YYYY-MM-DD, with '-preview' after it for previews.", c.version)
	}
	return nil
}

func (c *call) readBody(w http.ResponseWriter) error {
	switch c.r.Method {
	case http.MethodPut, http.MethodPatch, http.MethodPost:
	default:
		return nil
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, c.r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return refuse(http.StatusRequestEntityTooLarge, "RequestContentTooLarge", "The body is larger than the limit of %d bytes.", MaxBody)
	}
	if err != nil {
		return badFormat("", "IncompleteBody", "The body could not be read: %v.", err)
	}
	c.body = b
	return nil
}

// query reads a parameter of the query by name without case; "" when it is not there.
func (c *call) query(name string) string {
	for k, v := range c.r.URL.Query() {
		if strings.EqualFold(k, name) && len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// decode reads the body as a JSON object into a wire struct. Names match without case and unknown ones are skipped.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return badFormat("", "InvalidJson", "The body is empty; a JSON object is expected.")
	}
	err := json.Unmarshal(body, into)
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		if first := strings.TrimLeft(string(body), " \t\r\n"); first[0] != '{' {
			return badFormat("", "InvalidJsonType", "The body is %.20q; a JSON object is expected.", first)
		}
		return nil
	case errors.As(err, &wrong):
		field := jsonPath(wrong.Field)
		return badFormat(field, "InvalidJsonType", "The property '%s' is a JSON %s; %s is expected.", field, wrong.Value, jsonKind(wrong.Type))
	case errors.As(err, &syntax):
		return badFormat("", "InvalidJson", "The body is not JSON at byte %d: %v.", syntax.Offset, err)
	}
	return badFormat("", "InvalidJson", "The body is not valid: %v.", err)
}

// jsonPath drops the names of embedded structs, which encoding/json puts in a field's path.
func jsonPath(field string) string {
	var path []string
	for name := range strings.SplitSeq(field, ".") {
		switch name {
		case "headWire", "childWire", "Fabric", "Principal":
		default:
			path = append(path, name)
		}
	}
	return strings.Join(path, ".")
}

// jsonKind says in words what JSON a Go type is read from.
func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("an integer of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a positive integer of %d bits", t.Bits())
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Pointer:
		return jsonKind(t.Elem())
	}
	return "an object"
}

// id builds the id that a call addresses: its subscription, group, and pairs of type and name.
func (c *call) id(pairs ...string) resource.ID {
	id := resource.ID{Subscription: strings.ToLower(c.params["subscription"]), Group: c.params["group"], Namespace: networkNamespace}
	for i := 0; i+1 < len(pairs); i += 2 {
		id.Types = append(id.Types, pairs[i])
		id.Names = append(id.Names, pairs[i+1])
	}
	return id
}

// scope is the subscription or group that a call addresses.
func (c *call) scope() resource.ID {
	return resource.ID{Subscription: strings.ToLower(c.params["subscription"]), Group: c.params["group"]}
}

// requestIDs are the ids that clients follow a request by.
type requestIDs struct {
	client, correlation, request string
}

func newRequestIDs(r *http.Request) requestIDs {
	ids := requestIDs{client: r.Header.Get("x-ms-client-request-id"), correlation: r.Header.Get("x-ms-correlation-request-id"), request: uuid.NewString()}
	if ids.correlation == "" {
		ids.correlation = ids.request
	}
	return ids
}
