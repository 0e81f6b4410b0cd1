package sdk

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"onramp/lab"
)

var profiles = flag.String("profiles", "", "run the story against this directory of profiles, inside a lab")

// labName names the lab of this test's own.
const labName = "sdk-story"

// packetOrder fits labs/first-circuit.yaml.
func packetOrder() Order {
	return Order{
		Group: labName, Region: "westus2", Provider: "Northwest Exchange", Location: "Seattle", Mbps: 200,
		PrimaryHandoff: "xchg1/ce1", SecondaryHandoff: "xchg1/ce2", Primary: "192.168.100.128/30", Secondary: "192.168.100.132/30",
		Key: "seattleMd5Key", PeerASN: 65001, VLAN: 100, Network: "10.20.0.0/16", Subnet: "10.20.1.0/24", GatewaySubnet: "10.20.255.0/27",
		MachineAddress: "10.20.1.4", MachinePort: "host1/vm1",
	}
}

// packetStory is what the lab does around the SDK's orders.
const packetStory = `
story:
  - name: the Azure SDK for Go orders everything
    exec: {argv: [SELF, -test.run=^TestBuildInLab$, -profiles=PROFILES], timeout: 60s}
  - name: the machine boots
    as: contoso
    boot: {machine: vm1, nic: networkInterfaces/nic}
  - name: the first packet
    ping: {from: host, to: vm1, count: 1, within: 20s, oneWay: true}
  - name: pings both ways
    ping: {from: host, to: vm1, count: 5}
`

// TestBuildInLab is run by the lab of TestOverPackets, in a process of its own.
func TestBuildInLab(t *testing.T) {
	if *profiles == "" {
		t.Skip("only inside the lab of TestOverPackets")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := Build(ctx, login(t, *profiles, "contoso"), login(t, *profiles, "northwest"), packetOrder()); err != nil {
		t.Fatal(err)
	}
}

// TestOverPackets tells the story with the Azure SDK alone in a world of real nodes and routers, and pings across it.
func TestOverPackets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it makes network namespaces")
	}
	if _, err := exec.LookPath("bird"); err != nil {
		t.Skip("bird is not installed (make deps)")
	}
	text, err := os.ReadFile("../../labs/first-circuit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	world, _, ok := strings.Cut(string(text), "\nstory:")
	if !ok {
		t.Fatal("the lab file has no story to replace")
	}
	world = strings.Replace(world, "\nname: first-circuit\n", "\nname: "+labName+"\n", 1)
	story := strings.NewReplacer("SELF", self, "PROFILES", filepath.Join(lab.DefaultRoot, labName, "profiles")).Replace(packetStory)
	file := filepath.Join(t.TempDir(), labName+".yaml")
	if err := os.WriteFile(file, []byte(world+story), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := lab.Test(t.Context(), file, "", lab.Options{Out: &out, Binary: build(t)}); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// build makes the product's binary: the lab's processes are its.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "onramp")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "onramp/cmd/onramp").CombinedOutput(); err != nil {
		t.Fatalf("build onramp: %v\n%s", err, out)
	}
	return bin
}
