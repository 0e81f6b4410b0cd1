package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"onramp/node/bgp"
	"onramp/plan"
)

// planFile keeps the newest plan with its secrets, so that the node works while control is away.
const planFile = "plan.json"

func (a *Agent) planPath() string { return filepath.Join(a.cfg.StateDir, planFile) }

// save keeps the plan: written aside, then renamed, so that there is always a whole one.
func (a *Agent) save(n *plan.Node) error {
	if a.cfg.StateDir == "" || a.saved == n {
		return nil
	}
	if err := os.MkdirAll(a.cfg.StateDir, 0o700); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	aside := a.planPath() + ".new"
	if err := writeSynced(aside, body); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	if err := os.Rename(aside, a.planPath()); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	a.saved = n
	return nil
}

func writeSynced(name string, body []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	return errors.Join(err, f.Sync(), f.Close())
}

// restore starts from the saved plan, where there is one of this node.
func (a *Agent) restore() {
	if a.cfg.StateDir == "" {
		return
	}
	body, err := os.ReadFile(a.planPath())
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var n plan.Node
	if err == nil {
		err = json.Unmarshal(body, &n)
	}
	if err == nil && n.Name != a.cfg.Name {
		err = fmt.Errorf("it is of node %q", n.Name)
	}
	if err != nil {
		a.log.Error("the saved plan is of no use; waiting for control", "file", a.planPath(), "err", err)
		return
	}
	a.mu.Lock()
	a.desired, a.saved, a.wasUp = &n, &n, a.restoreUp()
	a.mu.Unlock()
	a.restoring = true
	a.apply(&n)
	a.restoring = false
}

// upFile names the sessions that are up: after a restart the domains wait for these, and for no others.
const upFile = "up.json"

// upMemory is how long a session counts as up that was so before a restart: a second restart meanwhile must wait for it too.
const upMemory = 2 * defaultHold

func (a *Agent) restoreUp() map[string]bool {
	body, err := os.ReadFile(filepath.Join(a.cfg.StateDir, upFile))
	var names []string
	if err != nil || json.Unmarshal(body, &names) != nil {
		return nil
	}
	up := map[string]bool{}
	for _, n := range names {
		up[n] = true
	}
	return up
}

// saveUp keeps the names of the sessions that are up in a report, where they are others than before. It returns the file's content.
func (a *Agent) saveUp(r *plan.Report, before string) string {
	up := []string{}
	young := time.Since(a.started) < upMemory
	for _, s := range r.Sessions {
		if s.State == stateName(bgp.Established) || young && a.wasUp[s.Name] {
			up = append(up, s.Name)
		}
	}
	body, err := json.Marshal(up)
	if err != nil || a.cfg.StateDir == "" || string(body) == before {
		return before
	}
	name := filepath.Join(a.cfg.StateDir, upFile)
	if err := errors.Join(os.WriteFile(name+".new", body, 0o600), os.Rename(name+".new", name)); err != nil {
		return before // no directory before the first plan
	}
	return string(body)
}

// forget removes what was kept.
func (a *Agent) forget() error {
	if a.cfg.StateDir == "" {
		return nil
	}
	for _, name := range []string{planFile, upFile} {
		if err := os.Remove(filepath.Join(a.cfg.StateDir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove what was kept: %w", err)
		}
	}
	return nil
}
