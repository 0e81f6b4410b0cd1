package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

// The paths that ARM has no client for. They live beside ARM's under the same login.
const (
	fabricPath = "/providers/Onramp.Fabric/fabric"
	nodesPath  = "/providers/Onramp.Fabric/nodes"
	ownVersion = "2026-01-01"
)

// call sends one request of our own through the SDK's pipeline (login, retries, errors) and decodes the answer into out.
func (s *session) call(ctx context.Context, method, path string, body []byte, contentType string, out any) error {
	u := s.own.Endpoint() + path + "?api-version=" + ownVersion
	req, err := runtime.NewRequest(ctx, method, u)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Raw().Header.Set("Accept", "application/json")
	if body != nil {
		if err := req.SetBody(streaming.NopCloser(bytes.NewReader(body)), contentType); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return s.send(req, path, out)
}

// send sends the request and decodes a 2xx answer.
func (s *session) send(req *policy.Request, path string, out any) error {
	resp, err := s.own.Pipeline().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !runtime.HasStatusCode(resp, http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent) {
		return runtime.NewResponseError(resp)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	if out == nil || len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// diagnose asks for a circuit's diagnosis.
func (s *session) diagnose(ctx context.Context, circuit string) ([]finding, error) {
	var answer struct {
		Value []finding `json:"value"`
	}
	err := s.call(ctx, http.MethodPost, s.id("expressRouteCircuits", url.PathEscape(circuit))+"/diagnose", nil, "", &answer)
	return answer.Value, err
}
