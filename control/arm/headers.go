package arm

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

const jsonType = "application/json; charset=utf-8"

// base is the scheme and host that absolute URLs begin with.
func (f *Front) base(r *http.Request) string {
	if f.cfg.PublicURL != "" {
		return strings.TrimRight(f.cfg.PublicURL, "/")
	}
	return "https://" + r.Host
}

// write sends an answer with the headers that every answer has.
func (f *Front) write(w http.ResponseWriter, c *call, a answer) {
	h := w.Header()
	if c.ids.client != "" {
		h.Set("x-ms-client-request-id", c.ids.client)
	}
	h.Set("x-ms-request-id", c.ids.request)
	h.Set("x-ms-correlation-request-id", c.ids.correlation)
	h.Set("x-ms-routing-request-id", c.ids.request)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	for k, v := range a.header {
		h.Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		f.log.Error("encode answer", "path", c.r.URL.Path, "error", err)
		a.status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"InternalServerError","message":"The answer could not be written.","details":[]}}`)
	}
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(a.status)
	if _, err := w.Write(b); err != nil {
		f.log.Debug("send answer", "path", c.r.URL.Path, "error", err)
	}
}

type errorBody struct {
	Error errorWire `json:"error"`
}

// errorWire is ARM's error object; details is never null.
type errorWire struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target,omitempty"`
	Details []detail `json:"details"`
}

func (e *fault) wire() errorWire {
	w := errorWire{Code: e.Code, Message: e.Message, Target: e.Target, Details: e.Details}
	if w.Details == nil {
		w.Details = []detail{}
	}
	return w
}

func (f *Front) errorAnswer(c *call, err error) answer {
	e := toFault(err)
	level := slog.LevelDebug
	if e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented {
		level = slog.LevelError
	}
	f.log.Log(c.ctx, level, "request refused", "method", c.r.Method, "path", c.r.URL.Path, "status", e.Status, "code", e.Code,
		"request", c.ids.request, "error", err)
	a := answer{status: e.Status, body: errorBody{e.wire()}, header: map[string]string{}}
	if c.r.Method == http.MethodHead {
		a.body = nil
	}
	if e.RetryAfter > 0 {
		a.header["Retry-After"] = strconv.Itoa(e.RetryAfter)
	}
	if e.Status == http.StatusUnauthorized {
		a.header["WWW-Authenticate"] = `Bearer authorization_uri="` + c.base + "/" + f.cfg.TenantID + `", error="invalid_token", error_description="` +
			strings.ReplaceAll(e.Message, `"`, "'") + `"`
	}
	return a
}
