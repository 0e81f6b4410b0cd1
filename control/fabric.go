package control

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/goccy/go-yaml"

	"onramp/control/arm"
	"onramp/control/store"
	"onramp/resource"
)

// seedFabric stores the inventory of the configured file when the store has none yet: without principals nobody could log in to apply one.
func (c *Control) seedFabric(ctx context.Context) error {
	if c.cfg.FabricFile == "" {
		return nil
	}
	if _, err := c.store.Get(ctx, arm.FabricID()); !errors.Is(err, store.ErrNotFound) {
		return err // nil: one was applied
	}
	f, err := readFabric(c.cfg.FabricFile)
	if err != nil {
		return err
	}
	if err := arm.PrepareFabric(f, nil); err != nil {
		return fmt.Errorf("fabric %s: %w", c.cfg.FabricFile, err)
	}
	if err := c.store.Create(ctx, f); err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil
}

// readFabric reads an inventory, or the fabric section of a lab file.
func readFabric(path string) (*resource.Fabric, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read fabric: %w", err)
	}
	var lab struct {
		Fabric *resource.Fabric `yaml:"fabric"`
	}
	if err := yaml.Unmarshal(b, &lab); err == nil && lab.Fabric != nil {
		return lab.Fabric, nil
	}
	var f resource.Fabric
	if err := yaml.UnmarshalWithOptions(b, &f, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("read fabric %s: %w", path, err)
	}
	return &f, nil
}
