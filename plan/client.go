package plan

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ClientConfig says where control is and who the node is.
type ClientConfig struct {
	Control string // "unix:/run/onramp/control.sock" or "https://control.example:8443"
	Node    string
	Token   string // bearer token; "" where a certificate says who the node is
	// For https: the PEM certificates that control's must be signed by (nil: the system's), and the node's own.
	CA           []byte
	Certificates []tls.Certificate
}

// Client is the node's end of the line over HTTP. It is safe for concurrent use; a call that fails can be made again.
type Client struct {
	base  string
	token string
	node  string
	http  *http.Client
}

// answerWait is how long control may take for an answer beyond what it waits for work; a silent line is given up then.
const answerWait = 30 * time.Second

// NewClient makes a Client. It does not call control yet.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Node == "" {
		return nil, errors.New("client of control: the node's name is empty")
	}
	t := &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true}
	base, err := transport(t, cfg)
	if err != nil {
		return nil, fmt.Errorf("client of control at %q: %w", cfg.Control, err)
	}
	return &Client{
		base: base + HubPath + url.PathEscape(cfg.Node), token: cfg.Token, node: cfg.Node,
		http: &http.Client{Transport: t, Timeout: nextWait + answerWait},
	}, nil
}

// transport sets the transport up for the form of the address and returns the URL up to the path.
func transport(t *http.Transport, cfg ClientConfig) (string, error) {
	if path, ok := strings.CutPrefix(cfg.Control, "unix:"); ok {
		if path == "" {
			return "", errors.New("want a path after unix:")
		}
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		return "http://control", nil
	}
	u, err := url.Parse(cfg.Control)
	if err != nil {
		return "", err
	}
	if u.Scheme != "https" || u.Host == "" {
		return "", errors.New("want unix:PATH or https://HOST:PORT")
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: cfg.Certificates}
	if cfg.CA != nil {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(cfg.CA) {
			return "", errors.New("the CA holds no PEM certificate")
		}
	}
	return strings.TrimSuffix(u.String(), "/"), nil
}

// Next waits for work, at most 25 s and what the line takes.
func (c *Client) Next(ctx context.Context, have int64) (Work, error) {
	var w Work
	err := c.call(ctx, http.MethodGet, "/work?have="+strconv.FormatInt(have, 10), nil, &w)
	if err != nil {
		return Work{}, fmt.Errorf("wait for work of node %s: %w", c.node, err)
	}
	return w, nil
}

// Report posts the newest observation.
func (c *Client) Report(ctx context.Context, r Report) error {
	if err := c.call(ctx, http.MethodPost, "/report", r, nil); err != nil {
		return fmt.Errorf("post report of node %s: %w", c.node, err)
	}
	return nil
}

// Answer posts the answer to a query.
func (c *Client) Answer(ctx context.Context, a Answer) error {
	if err := c.call(ctx, http.MethodPost, "/answer", a, nil); err != nil {
		return fmt.Errorf("post answer of node %s: %w", c.node, err)
	}
	return nil
}

// Close drops idle connections; calls under way end by themselves.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call makes one request; in and out are JSON, nil for none. An answer without content leaves out as it is.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := encode(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return decode(resp, out)
}

func encode(in any) (io.Reader, error) {
	if in == nil {
		return nil, nil
	}
	b, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(b) > maxBody {
		return nil, fmt.Errorf("encode: %d bytes, at most %d may be sent", len(b), maxBody)
	}
	return bytes.NewReader(b), nil
}

func decode(resp *http.Response, out any) error {
	if resp.StatusCode == http.StatusNoContent {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case len(b) > maxBody:
		return fmt.Errorf("the answer is longer than %d bytes", maxBody)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("control answers %s: %s", resp.Status, strings.TrimSpace(string(b[:min(len(b), 500)])))
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decode the answer: %w", err)
	}
	return nil
}
