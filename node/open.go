package node

import (
	"fmt"
	"os"

	"onramp/node/fib"
)

// OpenKernel opens the kernel's FIB below the pin directory, and reports whether it continues the state of an earlier process, which
// Config.Continued wants to know.
func OpenKernel(o fib.Options) (f fib.FIB, continued bool, err error) {
	if names, err := os.ReadDir(o.Pin); err == nil {
		continued = len(names) > 0
	}
	k, err := fib.NewKernel(o)
	if err != nil {
		return nil, false, fmt.Errorf("open the kernel's forwarding state at %s: %w", o.Pin, err)
	}
	return k, continued, nil
}
