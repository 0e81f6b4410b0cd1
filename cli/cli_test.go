package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

func TestParseBandwidth(t *testing.T) {
	for in, want := range map[string]int32{
		"200Mbps": 200, "200": 200, "1Gbps": 1000, "10gbps": 10000, " 50mbps ": 50,
		"": 0, "Gbps": 0, "-5": 0, "0": 0, "1.5Gbps": 0, "99999999999": 0, "200MB": 0,
	} {
		got, err := parseBandwidth(in)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("parseBandwidth(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
}

func TestPeeringName(t *testing.T) {
	for in, want := range map[string]string{
		"private": "AzurePrivatePeering", "AzurePrivatePeering": "AzurePrivatePeering", "MICROSOFT": "MicrosoftPeering", "public": "",
	} {
		if got, err := peeringName(in); got != want || (err == nil) != (want != "") {
			t.Errorf("peeringName(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestParseSubnets(t *testing.T) {
	subs, err := parseSubnets([]string{"a=10.0.0.0/24", "b=10.0.1.0/24"})
	if err != nil || len(subs) != 2 || val(subs[1].Name) != "b" || val(subs[1].Properties.AddressPrefix) != "10.0.1.0/24" {
		t.Errorf("parseSubnets = %v, %v", subs, err)
	}
	for _, bad := range []string{"a", "=10.0.0.0/24", "a="} {
		if _, err := parseSubnets([]string{bad}); err == nil {
			t.Errorf("parseSubnets(%q) accepted it", bad)
		}
	}
}

func TestMergeSubnets(t *testing.T) {
	names := func(ss []*armnetwork.Subnet) string {
		var out []string
		for _, s := range ss {
			out = append(out, val(s.Name)+subnetPrefixes(s))
		}
		return strings.Join(out, " ")
	}
	have, _ := parseSubnets([]string{"a=1", "B=2", "c=3"})
	put, _ := parseSubnets([]string{"b=9", "d=4"})
	if got := names(mergeSubnets(have, put, []string{"C"})); got != "a1 b9 d4" {
		t.Errorf("merged to %q", got)
	}
}

// writeProfile writes a profile for role into dir and returns its path.
func writeProfile(t *testing.T, dir, role string, p Profile) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, role+".json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProfile(t *testing.T) {
	dir := t.TempDir()
	good := Profile{Endpoint: "https://127.0.0.1:1", Tenant: "t", ClientID: "c", ClientSecret: "s3cret", CA: "ca.pem"}
	writeProfile(t, dir, "customer", good)
	file := writeProfile(t, dir, "provider", Profile{Endpoint: "https://127.0.0.1:2", Tenant: "t", ClientID: "c"})

	p, err := ReadProfile(dir, "customer")
	if err != nil || p.ClientSecret != "s3cret" || p.CA != filepath.Join(dir, "ca.pem") {
		t.Errorf("read %v, %v", p, err)
	}
	if strings.Contains(p.String(), "s3cret") {
		t.Errorf("a printed profile shows its secret: %s", p)
	}
	if _, err := ReadProfile(file, "customer"); err == nil || !strings.Contains(err.Error(), "clientSecret is missing") {
		t.Errorf("a profile without a secret: %v", err)
	}
	if _, err := ReadProfile(dir, "operator"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing profile: %v", err)
	}
	t.Setenv("ONRAMP_PROFILE", dir)
	o := options{defaultRole: "provider", role: "customer"}
	if p, err := o.load(); err != nil || p.Endpoint != good.Endpoint {
		t.Errorf("--as customer: %v, %v", p, err)
	}
}

func TestReadSecret(t *testing.T) {
	t.Setenv("ONRAMP_SHARED_KEY", "from-env")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from file \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readSecret(file, "ONRAMP_SHARED_KEY"); got != "from file " || err != nil {
		t.Errorf("from a file: %q, %v", got, err)
	}
	if got, err := readSecret("", "ONRAMP_SHARED_KEY"); got != "from-env" || err != nil {
		t.Errorf("from the environment: %q, %v", got, err)
	}
	if _, err := readSecret(file+"x", ""); err == nil {
		t.Error("a missing file was accepted")
	}
}

// answer is an error response of the service.
func answer(status int, body string) error {
	return runtime.NewResponseError(&http.Response{
		StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{},
		Request: &http.Request{Method: http.MethodPut, URL: &url.URL{Path: "/x"}},
	})
}

func TestDescribe(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{answer(400, `{"error":{"code":"VlanIdInUse","message":"VLAN 200 is taken.","target":"properties.vlanId","details":[]}}`),
			"VlanIdInUse: VLAN 200 is taken. (properties.vlanId)"},
		{answer(400, `{"error":{"code":"InvalidRequestFormat","message":"Cannot parse.","details":[{"code":"InvalidJson","message":"line 1"}]}}`),
			"InvalidRequestFormat: Cannot parse.\n  InvalidJson: line 1"},
		{answer(200, `{"status":"Failed","error":{"code":"ConflictError","message":"still provisioned","details":[]}}`),
			"ConflictError: still provisioned"},
		{answer(502, "<html>"), "Bad Gateway: the service answered 502 without saying why"},
		{errors.New("plain"), "plain"},
	} {
		if got := describe(tt.err); got != tt.want {
			t.Errorf("describe = %q, want %q", got, tt.want)
		}
	}
}

func TestEmit(t *testing.T) {
	type row struct{ a, b string }
	var out bytes.Buffer
	s := &session{options: &options{output: "table"}, out: &out}
	cols := columns[row]{{"A", func(r row) string { return r.a }}, {"B", func(r row) string { return r.b }}}
	if err := emit(s, nil, cols, []row{{"one", ""}, {"x", "2"}}); err != nil {
		t.Fatal(err)
	}
	if want := "A    B\none  -\nx    2\n"; out.String() != want {
		t.Errorf("table:\n%s\nwant:\n%s", out.String(), want)
	}
	out.Reset()
	s.output = "json"
	if err := emit(s, []string{"v"}, cols, nil); err != nil || out.String() != "[\n  \"v\"\n]\n" {
		t.Errorf("json: %q, %v", out.String(), err)
	}
}
