package bgp

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// everyInput is each kind of input once, on the outgoing connection where it names one.
func everyInput() []struct {
	name string
	in   Input
} {
	changed := testConfig()
	changed.LocalAS = 64999
	changed.PeerAS = 65001
	return []struct {
		name string
		in   Input
	}{
		{"start", Input{Kind: InStart}},
		{"stop", Input{Kind: InStop, Note: shutdownNotification(CodeCease, CeaseAdminShutdown, "bye")}},
		{"reset", Input{Kind: InReset, Cause: "link down"}},
		{"timer", Input{Kind: InTimer}},
		{"dialed", Input{Kind: InDialed}},
		{"dial-failed", Input{Kind: InDialFailed, Err: errors.New("refused")}},
		{"accepted", Input{Kind: InAccepted}},
		{"closed", Input{Kind: InClosed, Err: errors.New("reset")}},
		{"open", Input{Kind: InOpen, Open: peerOpen()}},
		{"keepalive", Input{Kind: InKeepalive}},
		{"update", Input{Kind: InUpdate}},
		{"refresh", Input{Kind: InRefresh}},
		{"notification", Input{Kind: InNotification, Note: &Notification{Code: codeHold, Received: true}}},
		{"cease", Input{Kind: InNotification, Note: &Notification{Code: CodeCease, Subcode: CeaseAdminReset, Received: true}}},
		{"bad-message", Input{Kind: InBadMessage, Note: notify(codeUpdate, updateMalformedList, nil, "broken")}},
		{"limit", Input{Kind: InLimit, Note: tooMany(IPv4Unicast, 10)}},
		{"reconfigure", Input{Kind: InReconfigure, Config: &changed}},
		{"end-of-rib", Input{Kind: InEndOfRIB, Family: IPv4Unicast}},
		{"want-refresh", Input{Kind: InWantRefresh, Family: IPv4Unicast}},
	}
}

// transitions is situation, input, next state, actions: the whole machine. It was checked line by line against RFC 4271 §8.2.2.
const transitions = `
Stopped      start         Connect      dial
Stopped      stop          Idle
Stopped      reset         Idle
Stopped      timer         Idle
Stopped      dialed        Idle         refuse:out
Stopped      dial-failed   Idle
Stopped      accepted      Idle         refuse:in
Stopped      closed        Idle
Stopped      open          Idle
Stopped      keepalive     Idle
Stopped      update        Idle
Stopped      refresh       Idle
Stopped      notification  Idle
Stopped      cease         Idle
Stopped      bad-message   Idle
Stopped      limit         Idle
Stopped      reconfigure   Idle
Stopped      end-of-rib    Idle
Stopped      want-refresh  Idle
Waiting      start         Connect      dial
Waiting      stop          Idle
Waiting      reset         Idle
Waiting      timer         Connect      dial
Waiting      dialed        Idle         refuse:out
Waiting      dial-failed   Idle
Waiting      accepted      Idle         refuse:in
Waiting      closed        Idle
Waiting      open          Idle
Waiting      keepalive     Idle
Waiting      update        Idle
Waiting      refresh       Idle
Waiting      notification  Idle
Waiting      cease         Idle
Waiting      bad-message   Idle
Waiting      limit         Idle
Waiting      reconfigure   Active
Waiting      end-of-rib    Idle
Waiting      want-refresh  Idle
Connect      start         Connect
Connect      stop          Idle         cancel-dial
Connect      reset         Active       cancel-dial
Connect      timer         Connect      cancel-dial dial
Connect      dialed        OpenSent     open:out
Connect      dial-failed   Active
Connect      accepted      OpenSent     open:in
Connect      closed        Connect
Connect      open          Connect
Connect      keepalive     Connect
Connect      update        Connect
Connect      refresh       Connect
Connect      notification  Connect
Connect      cease         Connect
Connect      bad-message   Connect
Connect      limit         Connect
Connect      reconfigure   Active       cancel-dial
Connect      end-of-rib    Connect
Connect      want-refresh  Connect
Active       start         Connect      dial
Active       stop          Idle
Active       reset         Active
Active       timer         Connect      dial
Active       dialed        Active       refuse:out
Active       dial-failed   Active
Active       accepted      OpenSent     open:in
Active       closed        Active
Active       open          Active
Active       keepalive     Active
Active       update        Active
Active       refresh       Active
Active       notification  Active
Active       cease         Active
Active       bad-message   Active
Active       limit         Active
Active       reconfigure   Active
Active       end-of-rib    Active
Active       want-refresh  Active
OpenSent     start         OpenSent
OpenSent     stop          Idle         close:out:6/2
OpenSent     reset         Active       close:out
OpenSent     timer         Active       close:out:4/0
OpenSent     dialed        OpenSent     refuse:out
OpenSent     dial-failed   OpenSent
OpenSent     accepted      OpenSent     open:in
OpenSent     closed        Active       close:out
OpenSent     open          OpenConfirm  keepalive:out
OpenSent     keepalive     Idle         close:out:5/1
OpenSent     update        Idle         close:out:5/1
OpenSent     refresh       Idle         close:out:5/1
OpenSent     notification  Active       close:out
OpenSent     cease         Active       close:out
OpenSent     bad-message   Idle         close:out:3/1
OpenSent     limit         OpenSent
OpenSent     reconfigure   Active       close:out:6/6
OpenSent     end-of-rib    OpenSent
OpenSent     want-refresh  OpenSent
OpenConfirm  start         OpenConfirm
OpenConfirm  stop          Idle         close:out:6/2
OpenConfirm  reset         Active       close:out
OpenConfirm  timer         Active       close:out:4/0
OpenConfirm  dialed        OpenConfirm  refuse:out
OpenConfirm  dial-failed   OpenConfirm
OpenConfirm  accepted      OpenConfirm  open:in
OpenConfirm  closed        Active       close:out
OpenConfirm  open          Idle         close:out:5/2
OpenConfirm  keepalive     Established  up:out
OpenConfirm  update        Idle         close:out:5/2
OpenConfirm  refresh       Idle         close:out:5/2
OpenConfirm  notification  Active       close:out
OpenConfirm  cease         Active       close:out
OpenConfirm  bad-message   Idle         close:out:3/1
OpenConfirm  limit         OpenConfirm
OpenConfirm  reconfigure   Active       close:out:6/6
OpenConfirm  end-of-rib    OpenConfirm
OpenConfirm  want-refresh  OpenConfirm
Established  start         Established
Established  stop          Idle         close:out:6/2 down
Established  reset         Active       close:out down
Established  timer         Active       close:out:4/0 down
Established  dialed        Established  refuse:out
Established  dial-failed   Established
Established  accepted      Established  refuse:in:6/7
Established  closed        Active       close:out down
Established  open          Idle         close:out:5/3 down
Established  keepalive     Established
Established  update        Established  deliver
Established  refresh       Established  deliver
Established  notification  Active       close:out down
Established  cease         Active       close:out down
Established  bad-message   Idle         close:out:3/1 down
Established  limit         Idle         close:out:6/1 down
Established  reconfigure   Active       close:out:6/6 down
Established  end-of-rib    Established
Established  want-refresh  Established  refresh:out
`

// TestEveryTransition compares the machine with the table, and the table with the list of all situations and inputs.
func TestEveryTransition(t *testing.T) {
	want := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(transitions)) {
		f := strings.Fields(line)
		want[f[0]+" "+f[1]] = strings.Join(f[2:], " ")
	}
	cells := 0
	for _, situation := range []string{"Stopped", "Waiting", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"} {
		for _, in := range everyInput() {
			cells++
			f := machine(t, situation)
			now := t0.Add(time.Second)
			if in.in.Kind == InTimer {
				now = t0.Add(time.Hour)
			}
			acts := describe(f.Step(in.in, now))
			got := strings.TrimSpace(f.State().String() + " " + acts)
			if w, ok := want[situation+" "+in.name]; !ok || got != w {
				t.Errorf("%s on %s: got %q, want %q", situation, in.name, got, w)
			}
			if f.State() == Idle && f.wanted == f.idleTill.IsZero() {
				t.Errorf("%s on %s: Idle, wanted %v, until %v: it would never start or starts against the operator's will", situation, in.name, f.wanted, f.idleTill)
			}
			if f.State() == Active && f.Next().IsZero() {
				t.Errorf("%s on %s: Active without a next attempt", situation, in.name)
			}
		}
	}
	if cells != len(want) {
		t.Errorf("%d cells, %d in the table", cells, len(want))
	}
}
