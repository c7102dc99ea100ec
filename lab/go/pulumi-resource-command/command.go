package main

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// idSuffixBytes is how much randomness follows the resource's name in its id. The id means nothing to a command;
// it only has to differ between a resource and its replacement.
const idSuffixBytes = 8

// Command is the resource command:local:Command: commands of this machine run as steps of a resource's life.
//
// There is no Diff here on purpose. infer's own does what the published provider does: any changed input is an
// update, except triggers (marked replaceOnChanges below). The published SDKs ask the engine for the same with
// their resource option replaceOnChanges ["triggers[*]"], which covers changes inside the list.
//
// There is no Read either: a command can't be looked at, so refresh returns what the state says.
type Command struct{}

// These fail the build if a method stops being what infer looks for, which would otherwise go unnoticed.
var (
	_ infer.CustomResource[CommandInputs, CommandState] = Command{}
	_ infer.CustomCheck[CommandInputs]                  = Command{}
	_ infer.CustomUpdate[CommandInputs, CommandState]   = Command{}
	_ infer.CustomDelete[CommandState]                  = Command{}
)

// Annotate names and describes the resource in the schema.
func (c *Command) Annotate(a infer.Annotator) {
	a.SetToken("local", "Command")
	a.Describe(&c, "A local command, run when the resource is created, updated and deleted. A command that ends "+
		"with a non-zero exit code fails that step.\n\n"+description)
}

// Logging says which of a command's streams reach Pulumi's log while it runs. What is captured as outputs does
// not depend on it, and neither does the message of a failed command, which always carries both streams.
type Logging string

// The values of Logging, as the published SDKs spell them.
const (
	LogStdout          Logging = "stdout"
	LogStderr          Logging = "stderr"
	LogStdoutAndStderr Logging = "stdoutAndStderr"
	LogNone            Logging = "none"
)

// Annotate names the enum in the schema.
func (l *Logging) Annotate(a infer.Annotator) { a.SetToken("local", "Logging") }

// Values lists the enum in the schema.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Name: "stdout", Value: LogStdout, Description: "Log stdout, not stderr."},
		{Name: "stderr", Value: LogStderr, Description: "Log stderr, not stdout."},
		{Name: "stdoutAndStderr", Value: LogStdoutAndStderr, Description: "Log stdout and stderr (the default)."},
		{Name: "none", Value: LogNone, Description: "Log nothing."},
	}
}

// stdout tells whether standard output is logged; no setting means yes.
func (l *Logging) stdout() bool { return l == nil || *l == LogStdout || *l == LogStdoutAndStderr }

// stderr tells whether standard error is logged; no setting means yes.
func (l *Logging) stderr() bool { return l == nil || *l == LogStderr || *l == LogStdoutAndStderr }

// CommandInputs are what a program may set. All are optional. No default stands in the schema (as in the
// published SDK 1.2.1), so that a default never shows up as a change; absence is interpreted where it is used.
type CommandInputs struct {
	Create *string `pulumi:"create,optional"`
	Update *string `pulumi:"update,optional"`
	Delete *string `pulumi:"delete,optional"`

	Triggers *[]any `pulumi:"triggers,optional" provider:"replaceOnChanges"`

	Dir                    *string            `pulumi:"dir,optional"`
	Environment            *map[string]string `pulumi:"environment,optional"`
	Interpreter            *[]string          `pulumi:"interpreter,optional"`
	Stdin                  *string            `pulumi:"stdin,optional"`
	Logging                *Logging           `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool              `pulumi:"addPreviousOutputInEnv,optional"`

	AssetPaths   *[]string `pulumi:"assetPaths,optional"`
	ArchivePaths *[]string `pulumi:"archivePaths,optional"`
}

// Annotate describes the inputs in the schema.
func (in *CommandInputs) Annotate(a infer.Annotator) {
	a.Describe(&in.Create, "Run when the resource is created, and on a change of inputs where there is no `update`.")
	a.Describe(&in.Update, "Run when inputs change. Without it `create` runs again.")
	a.Describe(&in.Delete, "Run, as it stands in the state, when the resource is deleted. Without it nothing runs.")
	a.Describe(&in.Triggers, "Values of any type; a change of any of them replaces the resource.")
	a.Describe(&in.Dir, "The directory to run in; it must exist. Default: the project's.")
	a.Describe(&in.Environment, "Variables added to the environment that the commands inherit from the engine.")
	a.Describe(&in.Interpreter, "The program, with arguments, that gets the command as its last argument. "+
		"Default: `[\"/bin/sh\", \"-c\"]`.")
	a.Describe(&in.Stdin, "Text given to the command as its standard input.")
	a.Describe(&in.Logging, "Which streams are logged while a command runs. Default: both.")
	a.Describe(&in.AddPreviousOutputInEnv, "Whether the next run finds the last run's stdout and stderr in "+
		"PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. Default: true.")
	a.Describe(&in.AssetPaths, "Not supported by this stand-in: refused.")
	a.Describe(&in.ArchivePaths, "Not supported by this stand-in: refused.")
}

// CommandOutputs are what a run leaves behind. Assets and Archive exist for the shape of the published SDK's
// resource and are never set.
type CommandOutputs struct {
	Stdout  string                      `pulumi:"stdout"`
	Stderr  string                      `pulumi:"stderr"`
	Assets  *map[string]*resource.Asset `pulumi:"assets,optional"`
	Archive *resource.Archive           `pulumi:"archive,optional"`
}

// Annotate describes the outputs in the schema.
func (out *CommandOutputs) Annotate(a infer.Annotator) {
	a.Describe(&out.Stdout, "What the last create or update wrote to standard output, less one trailing newline.")
	a.Describe(&out.Stderr, "What the last create or update wrote to standard error, less one trailing newline.")
	a.Describe(&out.Assets, "Never set by this stand-in.")
	a.Describe(&out.Archive, "Never set by this stand-in.")
}

// CommandState is what the engine stores: the inputs too, since delete runs from there.
type CommandState struct {
	CommandInputs
	CommandOutputs
}

// Check refuses what the stand-in lacks, before anything runs and also where the value isn't known yet: a program
// that needs it must not get halfway.
func (Command) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[CommandInputs], error) {
	inputs, failures, err := infer.DefaultCheck[CommandInputs](ctx, req.NewInputs)
	for _, name := range []string{"assetPaths", "archivePaths"} {
		if value, ok := req.NewInputs.GetOk(name); ok && !value.IsNull() {
			failures = append(failures, p.CheckFailure{
				Property: name,
				Reason:   fmt.Sprintf("the lab's stand-in for pulumi-command lacks %s; use the published plugin", name),
			})
		}
	}
	return infer.CheckResponse[CommandInputs]{Inputs: inputs, Failures: failures}, err
}

// Create runs the create command. After a failure the engine stores nothing, so a create that fails halfway must
// be one that can be run again: its delete will never run.
func (Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandInputs],
) (infer.CreateResponse[CommandState], error) {
	id, err := resource.NewUniqueHex(req.Name, idSuffixBytes, 0)
	if err != nil {
		return infer.CreateResponse[CommandState]{}, err
	}
	state := CommandState{CommandInputs: req.Inputs}
	if !req.DryRun {
		state.CommandOutputs, err = step(ctx, req.Inputs.Create, req.Inputs, CommandOutputs{})
	}
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs the update command or, where there is none, create again. After a failure the engine keeps the old
// state, so the next run tries again.
func (Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandInputs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	command := req.Inputs.Update
	if command == nil {
		command = req.Inputs.Create
	}
	state := CommandState{CommandInputs: req.Inputs, CommandOutputs: req.State.CommandOutputs}
	var err error
	if !req.DryRun {
		state.CommandOutputs, err = step(ctx, command, req.Inputs, req.State.CommandOutputs)
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the delete command of the state: the program may be long gone.
func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	_, err := step(ctx, req.State.Delete, req.State.CommandInputs, req.State.CommandOutputs)
	return infer.DeleteResponse{}, err
}

// step runs one command, logging as asked, and returns what it left. Without a command the previous outputs stay.
func step(ctx context.Context, command *string, in CommandInputs, previous CommandOutputs) (CommandOutputs, error) {
	if command == nil {
		return previous, nil
	}
	stdout, stderr, err := run(ctx, *command, in, previous, p.GetLogger(ctx).InfoStatus)
	if err != nil {
		return previous, err
	}
	return CommandOutputs{Stdout: stdout, Stderr: stderr}, nil
}
