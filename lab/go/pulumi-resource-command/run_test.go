package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ptr is a pointer to a value, as optional inputs want it.
func ptr[T any](value T) *T { return &value }

// runIn runs a command and returns its streams and the lines it logged; the command must succeed.
func runIn(t *testing.T, command string, in CommandInputs, previous CommandOutputs) (string, string, []string) {
	t.Helper()
	var logged []string
	out, errs, err := run(t.Context(), command, in, previous, func(line string) { logged = append(logged, line) })
	if err != nil {
		t.Fatalf("%q failed: %v", command, err)
	}
	return out, errs, logged
}

func TestEachStreamLosesOneTrailingNewlineAndKeepsTheRest(t *testing.T) {
	out, errs, _ := runIn(t, `printf 'a\n\nb\n\n'; printf 'c\n' >&2`, CommandInputs{}, CommandOutputs{})
	if out != "a\n\nb\n" || errs != "c" {
		t.Errorf("got stdout %q, stderr %q", out, errs)
	}
}

func TestAFailureCarriesExitCodeCommandAndBothStreamsInOrder(t *testing.T) {
	command := "echo one; sleep 0.1; echo two >&2; exit 7"
	_, _, err := run(t.Context(), command, CommandInputs{Logging: ptr(LogNone)}, CommandOutputs{}, func(string) {})
	want := "exit status 7: running " + strconv.Quote(command) + ":\none\ntwo\n"
	if err == nil || err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("the error hides the exit code: %v", err)
	}
}

func TestACommandThatCannotStartIsAnErrorThatNamesIt(t *testing.T) {
	for name, in := range map[string]CommandInputs{
		"no such interpreter": {Interpreter: &[]string{"no-such-interpreter"}},
		"no such directory":   {Dir: ptr(filepath.Join(t.TempDir(), "missing"))},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t.Context(), "echo", in, CommandOutputs{}, func(string) {})
			if err == nil || !strings.Contains(err.Error(), `running "echo"`) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheInterpreterGetsTheCommandAsItsLastArgument(t *testing.T) {
	given := []string{"/bin/echo", "first"}
	out, _, _ := runIn(t, "second third", CommandInputs{Interpreter: &given}, CommandOutputs{})
	if out != "first second third" || !slices.Equal(given, []string{"/bin/echo", "first"}) {
		t.Errorf("got %q and left %q", out, given)
	}
}

func TestAnEmptyInterpreterMeansTheShell(t *testing.T) {
	if got := interpreter(CommandInputs{Interpreter: &[]string{}}); !slices.Equal(got, []string{"/bin/sh", "-c"}) {
		t.Errorf("got %q", got)
	}
}

func TestDirectoryStdinAndEnvironmentReachTheCommand(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := CommandInputs{Dir: &dir, Stdin: ptr("given"), Environment: &map[string]string{"WORD": "a b"}}
	if out, _, _ := runIn(t, `pwd; cat; printf %s "$WORD"`, in, CommandOutputs{}); out != dir+"\ngivena b" {
		t.Errorf("got %q", out)
	}
}

func TestTheNextRunFindsThePreviousOutputUnlessItIsTurnedOff(t *testing.T) {
	previous := CommandOutputs{Stdout: "out", Stderr: "err"}
	for name, c := range map[string]struct {
		in   CommandInputs
		want []string
	}{
		"by default": {CommandInputs{}, []string{"A=1", "PULUMI_COMMAND_STDOUT=out", "PULUMI_COMMAND_STDERR=err"}},
		"turned on": {
			CommandInputs{AddPreviousOutputInEnv: ptr(true)},
			[]string{"A=1", "PULUMI_COMMAND_STDOUT=out", "PULUMI_COMMAND_STDERR=err"},
		},
		"turned off": {CommandInputs{AddPreviousOutputInEnv: ptr(false)}, []string{"A=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := environment([]string{"A=1"}, c.in, previous); !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}
	if got := environment(nil, CommandInputs{}, CommandOutputs{}); len(got) != 0 {
		t.Errorf("a run that wrote nothing left %q", got)
	}
}

func TestTheResourcesOwnVariablesWinOverInheritedOnes(t *testing.T) {
	in := CommandInputs{Environment: &map[string]string{"A": "2", "B": "3"}}
	if got := environment([]string{"A=1"}, in, CommandOutputs{}); !slices.Equal(got, []string{"A=1", "A=2", "B=3"}) {
		t.Errorf("got %q", got)
	}
}

func TestLoggingChoosesTheStreamsAndNotTheOutputs(t *testing.T) {
	command := `echo out; echo err >&2; printf tail`
	for name, c := range map[string]struct {
		logging *Logging
		want    []string
	}{
		"unset":           {nil, []string{"err", "out", "tail"}},
		"stdoutAndStderr": {ptr(LogStdoutAndStderr), []string{"err", "out", "tail"}},
		"stdout":          {ptr(LogStdout), []string{"out", "tail"}},
		"stderr":          {ptr(LogStderr), []string{"err"}},
		"none":            {ptr(LogNone), nil},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, logged := runIn(t, command, CommandInputs{Logging: c.logging}, CommandOutputs{})
			slices.Sort(logged) // the two streams are not ordered against each other
			if !slices.Equal(logged, c.want) || out != "out\ntail" || errs != "err" {
				t.Errorf("logged %q, stdout %q, stderr %q", logged, out, errs)
			}
		})
	}
}

func TestLinesAreLoggedWhileTheCommandRuns(t *testing.T) {
	release := filepath.Join(t.TempDir(), "release")
	command := `echo waiting; while [ ! -e ` + release + ` ]; do sleep 0.01; done`
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, _, err := run(ctx, command, CommandInputs{}, CommandOutputs{}, func(string) {
		if err := os.WriteFile(release, nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Errorf("the command waited for its own line to be logged and was never let go: %v", err)
	}
}

func TestALineOfAnyLengthIsLogged(t *testing.T) {
	_, _, logged := runIn(t, `head -c 300000 /dev/zero | tr '\0' x; echo; echo end`, CommandInputs{}, CommandOutputs{})
	if len(logged) != 2 || len(logged[0]) != 300000 || logged[1] != "end" {
		t.Errorf("got %d lines", len(logged))
	}
}

func TestCancellingKillsTheWholeProcessGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, err := run(ctx, `sleep 300 & echo $! > `+file+`.new; mv `+file+`.new `+file+`; wait`,
			CommandInputs{}, CommandOutputs{}, func(string) {})
		done <- err
	}()
	var pid int
	for deadline := time.Now().Add(10 * time.Second); pid == 0; time.Sleep(10 * time.Millisecond) {
		if data, err := os.ReadFile(file); err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(data)))
		} else if time.Now().After(deadline) {
			t.Fatal("the command did not start")
		}
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a cancelled command counts as a success")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command outlived its cancellation")
	}
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the shell's child outlived its cancellation")
		}
	}
}

// zombie tells whether a process is dead and only waits to be reaped by whoever adopted it.
func zombie(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(data), ") Z ")
}
