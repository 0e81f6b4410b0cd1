package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// markVariable is in the environment of every process a lab starts; its value is unique to the lab.
const markVariable = "ONRAMP_LAB_PROCESS"

// startProcess starts a process of the lab, in its namespace, with its output in its log. It outlives this process.
func (l *Lab) startProcess(p Process) (*Process, error) {
	if err := l.state.update(func(s *State) { s.put(p) }); err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	cmd := exec.Command(p.Argv[0], p.Argv[1:]...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Env = append(os.Environ(), markVariable+"="+l.state.get().Mark)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := in(p.Namespace, cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go cmd.Wait() // reaped here; its end shows in /proc
	p.PID = cmd.Process.Pid
	p.Start, _ = startTime(p.PID)
	return &p, l.state.update(func(s *State) { s.put(p) })
}

// put replaces the process of that name.
func (s *State) put(p Process) {
	for i := range s.Processes {
		if s.Processes[i].Name == p.Name {
			s.Processes[i] = p
			return
		}
	}
	s.Processes = append(s.Processes, p)
}

// process finds a process of the lab by name.
func (l *Lab) process(name string) (Process, error) {
	for _, p := range l.state.get().Processes {
		if p.Name == name {
			return p, nil
		}
	}
	return Process{}, fmt.Errorf("lab %s has no process %q", l.World.Name, name)
}

// alive reports whether the process still runs (and the number was not given to another).
func (p Process) alive() bool {
	t, err := startTime(p.PID)
	return p.PID != 0 && err == nil && t == p.Start
}

// kill ends the process with SIGKILL and waits until it is gone.
func (p Process) kill(ctx context.Context) error {
	if !p.alive() {
		return fmt.Errorf("process %s (pid %d) does not run", p.Name, p.PID)
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	return poll(ctx, 5*time.Second, 5*time.Millisecond, func() error {
		if p.alive() {
			return fmt.Errorf("process %s (pid %d) still runs", p.Name, p.PID)
		}
		return nil
	})
}

// startTime is when a process began, in clock ticks since boot; a zombie is gone already.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	i := bytes.LastIndexByte(b, ')') // the command name may hold anything
	f := strings.Fields(string(b[i+1:]))
	if i < 0 || len(f) < 20 {
		return 0, errors.New("short /proc stat")
	}
	if f[0] == "Z" || f[0] == "X" {
		return 0, os.ErrProcessDone
	}
	return strconv.ParseUint(f[19], 10, 64)
}

// markedProcesses finds every process that carries the mark in its environment, and every process inside one of the namespaces.
func markedProcesses(mark string, namespaces []string) []int {
	inside := map[uint64]bool{}
	for _, ns := range namespaces {
		var st unix.Stat_t
		if unix.Stat(filepath.Join(netnsDir, ns), &st) == nil {
			inside[st.Ino] = true
		}
	}
	es, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	want := []byte(markVariable + "=" + mark)
	var pids []int
	for _, e := range es {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if _, err := startTime(pid); err != nil {
			continue
		}
		if hasMark(pid, want) || inNamespace(pid, inside) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func hasMark(pid int, want []byte) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if bytes.Equal(v, want) {
			return true
		}
	}
	return false
}

func inNamespace(pid int, inside map[uint64]bool) bool {
	var st unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d/ns/net", pid), &st) == nil && inside[st.Ino]
}

// endProcesses ends all processes of a lab: politely first, so that they may log why, then for good.
func endProcesses(mark string, namespaces []string) error {
	deadline := time.Now().Add(2 * time.Second)
	sig := syscall.SIGTERM
	for {
		pids := markedProcesses(mark, namespaces)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			if sig == syscall.SIGKILL {
				return fmt.Errorf("processes %v do not end", pids)
			}
			sig, deadline = syscall.SIGKILL, time.Now().Add(5*time.Second)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, sig) // gone meanwhile is what is wanted
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// poll calls fn until it returns nil, at most for the time given; the last error is returned.
func poll(ctx context.Context, timeout, every time.Duration, fn func() error) error {
	deadline := time.Now().Add(timeout)
	for {
		err := fn()
		if err == nil {
			return nil
		}
		if errors.Is(err, errStop) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", timeout, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-time.After(every):
		}
	}
}

// run runs a program in a namespace to its end and returns all it wrote.
func run(ctx context.Context, ns string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	if err := in(ns, cmd.Start); err != nil {
		return "", fmt.Errorf("run %s: %w", argv[0], err)
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}
