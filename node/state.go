package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
	a.desired, a.saved = &n, &n
	a.mu.Unlock()
	a.restoring = true
	a.apply(&n)
	a.restoring = false
}

// forget removes the saved plan.
func (a *Agent) forget() error {
	if a.cfg.StateDir == "" {
		return nil
	}
	if err := os.Remove(a.planPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the saved plan: %w", err)
	}
	return nil
}
