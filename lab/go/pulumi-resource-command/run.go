package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// The variables in which a run finds what the run before it wrote. One that wrote nothing sets no variable.
const (
	previousStdout = "PULUMI_COMMAND_STDOUT"
	previousStderr = "PULUMI_COMMAND_STDERR"
)

// run runs one command to its end and returns what it wrote, each stream less one trailing newline. log gets the
// lines of the streams that in.Logging names, as they appear.
//
// A command that can't be started or ends with a non-zero exit code is an error that carries the reason, the
// command and both streams in the order they came.
//
// When ctx ends, the command's whole process group is killed, since a shell's children would otherwise go on
// unobserved; and should this provider die first, the kernel kills the command itself.
func run(
	ctx context.Context, command string, in CommandInputs, previous CommandOutputs, log func(line string),
) (stdout, stderr string, err error) {
	var out, errs, both bytes.Buffer
	var lock sync.Mutex // both streams are copied at once, and both buffers and log are shared
	tee := func(own *bytes.Buffer, logged bool) (io.Writer, func()) {
		if !logged {
			return &locked{&lock, io.MultiWriter(own, &both)}, func() {}
		}
		lines := &lineWriter{emit: log}
		return &locked{&lock, io.MultiWriter(own, &both, lines)}, lines.flush
	}
	outWriter, flushOut := tee(&out, in.Logging.stdout())
	errWriter, flushErr := tee(&errs, in.Logging.stderr())

	argv := append(interpreter(in), command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = outWriter, errWriter
	cmd.Env = environment(os.Environ(), in, previous)
	if in.Dir != nil {
		cmd.Dir = *in.Dir
	}
	if in.Stdin != nil && *in.Stdin != "" {
		cmd.Stdin = strings.NewReader(*in.Stdin)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

	// The kernel sends Pdeathsig when the thread that started the command ends, so keep that thread until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	flushOut()
	flushErr()
	if err != nil {
		return "", "", fmt.Errorf("%w: running %q:\n%s", err, command, both.String())
	}
	return strings.TrimSuffix(out.String(), "\n"), strings.TrimSuffix(errs.String(), "\n"), nil
}

// interpreter is the program, with arguments, that gets the command as its last argument. The caller may append
// to it: it is always a fresh slice.
func interpreter(in CommandInputs) []string {
	if in.Interpreter == nil || len(*in.Interpreter) == 0 {
		return []string{"/bin/sh", "-c"}
	}
	return slices.Clone(*in.Interpreter)
}

// environment is what a command gets: what the provider inherited, then the resource's own variables, then the
// previous run's output. Later ones win.
func environment(inherited []string, in CommandInputs, previous CommandOutputs) []string {
	env := slices.Clone(inherited)
	if in.Environment != nil {
		for _, name := range slices.Sorted(maps.Keys(*in.Environment)) {
			env = append(env, name+"="+(*in.Environment)[name])
		}
	}
	if in.AddPreviousOutputInEnv == nil || *in.AddPreviousOutputInEnv {
		if previous.Stdout != "" {
			env = append(env, previousStdout+"="+previous.Stdout)
		}
		if previous.Stderr != "" {
			env = append(env, previousStderr+"="+previous.Stderr)
		}
	}
	return env
}

// locked is a writer that shares its target with others.
type locked struct {
	lock   *sync.Mutex
	target io.Writer
}

func (w *locked) Write(data []byte) (int, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.target.Write(data)
}

// lineWriter hands over whole lines, of any length, without their newline. It is not safe for concurrent use.
type lineWriter struct {
	emit    func(line string)
	partial []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.partial = append(w.partial, data...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte("\n"))
		if !found {
			return len(data), nil
		}
		w.emit(strings.TrimSuffix(string(line), "\r"))
		w.partial = rest
	}
}

// flush hands over a last line that has no newline.
func (w *lineWriter) flush() {
	if len(w.partial) > 0 {
		w.emit(string(w.partial))
		w.partial = nil
	}
}
