package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// tell tells a story to its end, or to the first step that does not hold.
func (l *Lab) tell(ctx context.Context, steps []Step) error {
	if l.opts.WorldOnly && len(l.World.Fabric.Nodes) > 0 {
		return nil
	}
	for i := range steps {
		if err := l.tellStep(ctx, &steps[i]); err != nil {
			return err
		}
	}
	return l.state.update(func(s *State) { s.Ready = time.Now() })
}

// tellStep tells one step; errors name the file's line.
func (l *Lab) tellStep(ctx context.Context, s *Step) error {
	if len(s.Parallel) > 0 {
		return l.tellParallel(ctx, s)
	}
	err := l.step(ctx, s.title(), func(ctx context.Context) (string, error) { return l.act(ctx, s) })
	if err != nil {
		return fmt.Errorf("%s:%d: %w", l.World.file, s.line, err)
	}
	return nil
}

func (l *Lab) tellParallel(ctx context.Context, s *Step) error {
	errs := make([]error, len(s.Parallel))
	var wg sync.WaitGroup
	for i := range s.Parallel {
		wg.Go(func() { errs[i] = l.tellStep(ctx, &s.Parallel[i]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// title is a step's name, or what it does.
func (s *Step) title() string {
	if s.Name != "" {
		return s.Name
	}
	name := s.actions()[0]
	if c := s.call(); c != "" {
		return fmt.Sprintf("%s: %s %s", s.As, name, c)
	}
	return name
}

// act does a step and returns what there is to tell.
func (l *Lab) act(ctx context.Context, s *Step) (string, error) {
	switch {
	case s.call() != "":
		return l.actCall(ctx, s)
	case s.Under != nil:
		return l.under(ctx, s.title(), *s.Under)
	case s.Wait != nil:
		return l.wait(ctx, *s.Wait)
	case s.Boot != nil:
		return l.boot(ctx, s)
	case s.Ping != nil:
		return l.ping(ctx, *s.Ping)
	case s.Traceroute != nil:
		return l.traceroute(ctx, *s.Traceroute)
	case s.Drill != "":
		d, _ := l.World.drill(s.Drill)
		return l.drills(ctx, *d)
	case s.Cut != "":
		return s.Cut + " is out", l.cut(s.Cut, true)
	case s.Restore != "":
		return s.Restore + " is back", l.cut(s.Restore, false)
	case s.Rate != nil:
		return l.rate(ctx, *s.Rate)
	case s.Kill != nil:
		return l.kill(ctx, s.As, s.Group, *s.Kill)
	case s.Isolated != nil:
		return l.isolated(ctx, *s.Isolated)
	case s.Exec != nil:
		return l.execStep(ctx, *s.Exec)
	case s.Prefixes != nil:
		p := *s.Prefixes
		return fmt.Sprintf("%s announces %d prefixes more", p.Router, p.Count), l.changeRouter(ctx, p.Router, func(e *Extras) { e.Base, e.Count = p.Base, p.Count })
	case s.Key != nil:
		k := *s.Key
		return "", l.changeRouter(ctx, k.Router, func(e *Extras) { e.Key, e.ASN, e.NoBFD = k.Key, k.ASN, k.NoBFD })
	case s.Send != nil:
		return l.sendStep(ctx, s.As, *s.Send)
	case s.Garbage != nil:
		return l.garbage(ctx, *s.Garbage)
	}
	return "", fmt.Errorf("no such action: %v", s.actions())
}

// actCall makes an API call and checks its answer.
func (l *Lab) actCall(ctx context.Context, s *Step) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var doc any
	var refused error
	try := func() (err error) {
		doc, err = l.callOnce(ctx, s)
		if err != nil && s.Refuse == nil {
			return shortError(err)
		}
		if s.Refuse != nil {
			refused = err
			return l.checkRefusal(s.Refuse, err)
		}
		return l.checkExpect(s.Expect, doc)
	}
	var err error
	if s.Until > 0 {
		err = poll(ctx, s.Until, 100*time.Millisecond, try)
	} else {
		err = try()
	}
	if err != nil {
		return "", err
	}
	if refused != nil {
		return "refused: " + shortError(refused).Error(), nil
	}
	return l.save(s, doc)
}

func (l *Lab) callOnce(ctx context.Context, s *Step) (any, error) {
	path := l.expand(s.call())
	body, err := l.expandAny(s.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case s.Put != "":
		return l.call(ctx, s.As, http.MethodPut, s.Group, path, s.Version, body)
	case s.Delete != "":
		return l.call(ctx, s.As, http.MethodDelete, s.Group, path, s.Version, nil)
	case s.Post != "":
		return l.call(ctx, s.As, http.MethodPost, s.Group, path, s.Version, body)
	case s.Patch != "":
		return l.call(ctx, s.As, http.MethodPatch, s.Group, path, s.Version, body)
	case s.Edit != "":
		doc, err := l.call(ctx, s.As, http.MethodGet, s.Group, path, s.Version, nil)
		if err != nil {
			return nil, err
		}
		return l.call(ctx, s.As, http.MethodPut, s.Group, path, s.Version, merge(doc, body))
	}
	return l.call(ctx, s.As, http.MethodGet, s.Group, path, s.Version, nil)
}

// checkRefusal wants the call to have failed in the service's words.
func (l *Lab) checkRefusal(want *Refuse, err error) error {
	if err == nil {
		return fmt.Errorf("accepted, but must be refused with %s", want.Code)
	}
	code, status, ok := refusal(err)
	short := shortError(err)
	switch {
	case !ok:
		return err
	case want.Code != "" && code != want.Code, want.Status != 0 && status != want.Status:
		return fmt.Errorf("refused with %w, but expected %s (HTTP %d)", short, want.Code, want.Status)
	case want.Text != "" && !strings.Contains(short.Error(), want.Text):
		return fmt.Errorf("the refusal does not say %q: %w", want.Text, short)
	}
	return nil
}

func (l *Lab) checkExpect(expect map[string]any, doc any) error {
	for _, path := range sortedKeys(expect) {
		want, err := l.expandAny(expect[path])
		if err != nil {
			return err
		}
		got, err := lookup(doc, l.expand(path))
		if err != nil {
			return err
		}
		if !matches(got, want) {
			return fmt.Errorf("%s is %s, expected %s", path, text(got), text(want))
		}
	}
	return nil
}

// save keeps parts of an answer as variables, and tells them.
func (l *Lab) save(s *Step, doc any) (string, error) {
	var told []string
	for _, name := range sortedKeys(s.Save) {
		v, err := lookup(doc, l.expand(s.Save[name]))
		if err != nil {
			return "", err
		}
		if err := l.state.update(func(st *State) { st.Vars[name] = text(v) }); err != nil {
			return "", err
		}
		told = append(told, name+" "+text(v))
	}
	for _, path := range sortedKeys(s.Expect) {
		if v, err := lookup(doc, l.expand(path)); err == nil && len(text(v)) < 40 {
			told = append(told, path[strings.LastIndexByte(path, '.')+1:]+" "+text(v))
		}
	}
	return strings.Join(told, ", "), nil
}

var variable = regexp.MustCompile(`\$\{([A-Za-z0-9_.-]+)\}`)

// expand replaces ${variable}: what a step saved, ${lab}, of a principal or role ${NAME.subscription} and
// ${NAME.network}, the beginning of its Microsoft.Network ids in its default group.
func (l *Lab) expand(s string) string {
	if !strings.Contains(s, "${") {
		return s
	}
	vars := l.state.get().Vars
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		name := m[2 : len(m)-1]
		if name == "lab" {
			return l.World.Name
		}
		if v, ok := vars[name]; ok {
			return v
		}
		if who, ok := strings.CutSuffix(name, ".subscription"); ok {
			if p, err := l.World.principal(who); err == nil {
				return p.Subscription
			}
		}
		if who, ok := strings.CutSuffix(name, ".network"); ok {
			if p, err := l.World.principal(who); err == nil {
				return strings.TrimSuffix(l.World.fullPath(p, "", ""), "/")
			}
		}
		return m
	})
}

// expandAny expands every string of a body. A variable that is not known is an error.
func (l *Lab) expandAny(v any) (any, error) {
	switch t := v.(type) {
	case string:
		s := l.expand(t)
		if m := variable.FindString(s); m != "" {
			return nil, fmt.Errorf("nothing was saved as %s", m)
		}
		return s, nil
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			x, err := l.expandAny(e)
			if err != nil {
				return nil, err
			}
			out[k] = x
		}
		return out, nil
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			x, err := l.expandAny(e)
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	}
	return v, nil
}

func sortedKeys[V any](m map[string]V) []string {
	ks := make([]string, 0, len(m))
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}
