// Package script tells the stories of *.txtar: the product's own commands against a control in this process, with golden tables.
//
// In:  a script. Out: a failure that shows the difference, or, with -update, the script rewritten.
package script

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"onramp/cli"
	"onramp/test/world"
)

var update = flag.Bool("update", false, "rewrite the golden tables of the scripts")

// TestStories runs each script in a world of its own.
//
// Beside testscript's commands there are:
//
//	onramp ARGUMENTS…           the command line; keys and other random ids are masked in its output
//	capture NAME REGEXP         the first group of the regexp in the last command's unmasked output becomes the variable NAME
//	keyfile SECRET              writes $WORK/key
//	until REGEXP ARGUMENTS…     the command line again and again, until its output matches
func TestStories(t *testing.T) {
	files, err := filepath.Glob("*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := world.Start(t)
			s := &stage{profiles: w.Profiles}
			testscript.Run(t, testscript.Params{
				Files: []string{file}, UpdateScripts: *update,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"onramp": s.onramp, "capture": s.capture, "until": s.until, "keyfile": keyfile},
			})
		})
	}
}

// stage is what one script's commands share.
type stage struct {
	profiles string
	last     string // output of the last command, unmasked
}

// rootCommand is the command tree of the nouns.
func rootCommand() *cobra.Command {
	root := &cobra.Command{Use: "onramp"}
	root.AddGroup(&cobra.Group{ID: "cloud"})
	root.AddCommand(cli.Commands()...)
	return root
}

// run runs one command line.
func (s *stage) run(args []string) (code int, stdout, stderr string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = cli.Run(ctx, rootCommand(), append(args, "--profile="+s.profiles), &out, &errs)
	s.last = out.String()
	return code, out.String(), errs.String()
}

// onramp is the script's command line. A line that begins with "!" must be refused by the service or by the command line.
func (s *stage) onramp(ts *testscript.TestScript, neg bool, args []string) {
	code, stdout, stderr := s.run(args)
	_, _ = ts.Stdout().Write([]byte(mask(stdout)))
	_, _ = ts.Stderr().Write([]byte(mask(stderr)))
	if (code != 0) != neg {
		ts.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// capture keeps a part of the last command's output.
func (s *stage) capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	m := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(s.last)
	if len(m) != 2 {
		ts.Fatalf("%q does not match once with one group in:\n%s", args[1], s.last)
	}
	ts.Setenv(args[0], m[1])
}

// keyfile writes a secret into $WORK/key.
func keyfile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keyfile SECRET")
	}
	ts.Check(os.WriteFile(ts.MkAbs("key"), []byte(args[0]+"\n"), 0o600))
}

// until repeats a command line until its output matches, for what becomes true soon.
func (s *stage) until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP ARGUMENTS…")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	deadline := time.After(20 * time.Second)
	for {
		code, stdout, stderr := s.run(args[1:])
		if code == 0 && want.MatchString(stdout) {
			_, _ = ts.Stdout().Write([]byte(mask(stdout)))
			return
		}
		select {
		case <-deadline:
			ts.Fatalf("%q does not match after 20 s: exit %d\n%s%s", args[0], code, stdout, stderr)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// mask hides what is different in every run, without changing a table's widths: version-4 GUIDs (service keys, operations) and MAC addresses
// that the platform gave. The ids of principals and subscriptions are of the fabric file and stay.
func mask(text string) string {
	text = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`).ReplaceAllString(text, "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx")
	return regexp.MustCompile(`\b(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}\b`).ReplaceAllString(text, "xx-xx-xx-xx-xx-xx")
}
