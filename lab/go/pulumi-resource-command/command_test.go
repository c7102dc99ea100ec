package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// urn names the resource in every test.
const urn = resource.URN("urn:pulumi:stack::project::command:local:Command::name")

// serve gives the provider as the engine sees it, without a process in between.
func serve(t *testing.T) integration.Server {
	t.Helper()
	provider, err := newProvider()
	if err != nil {
		t.Fatal(err)
	}
	server, err := integration.NewServer(t.Context(), packageName, semver.MustParse("1.2.1"),
		integration.WithProvider(provider))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// inputs are the resource's inputs from plain values.
func inputs(values map[string]any) property.Map {
	result := map[string]property.Value{}
	for name, value := range values {
		switch value := value.(type) {
		case []string:
			items := make([]property.Value, 0, len(value))
			for _, item := range value {
				items = append(items, property.New(item))
			}
			result[name] = property.New(items)
		case map[string]string:
			items := map[string]property.Value{}
			for key, item := range value {
				items[key] = property.New(item)
			}
			result[name] = property.New(items)
		case string:
			result[name] = property.New(value)
		case bool:
			result[name] = property.New(value)
		case property.Value:
			result[name] = value
		}
	}
	return property.NewMap(result)
}

// create creates the resource for real and returns its state.
func create(t *testing.T, server integration.Server, in property.Map) property.Map {
	t.Helper()
	response, err := server.Create(p.CreateRequest{Urn: urn, Properties: in})
	if err != nil {
		t.Fatal(err)
	}
	return response.Properties
}

func TestUnchangedInputsAreNoChange(t *testing.T) {
	server := serve(t)
	in := inputs(map[string]any{
		"create": "echo x", "triggers": []string{"a"}, "environment": map[string]string{"A": "1"},
	})
	diff, err := server.Diff(p.DiffRequest{Urn: urn, State: create(t, server, in), OldInputs: in, Inputs: in})
	if err != nil || diff.HasChanges || len(diff.DetailedDiff) > 0 {
		t.Errorf("got %+v, %v", diff, err)
	}
}

func TestOnlyTriggersReplaceAndEveryOtherChangeIsAnUpdate(t *testing.T) {
	base := map[string]any{"create": "echo x"}
	for name, c := range map[string]struct {
		value any
		want  p.DiffKind
	}{
		"create":                 {"echo y", p.Update},
		"update":                 {"echo y", p.Add},
		"delete":                 {"echo y", p.Add},
		"dir":                    {"/", p.Add},
		"environment":            {map[string]string{"A": "1"}, p.Add},
		"interpreter":            {[]string{"/bin/sh", "-c"}, p.Add},
		"stdin":                  {"x", p.Add},
		"logging":                {"none", p.Add},
		"addPreviousOutputInEnv": {false, p.Add},
		"triggers":               {[]string{"a"}, p.AddReplace},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			old := inputs(base)
			changed := old.Set(name, inputs(map[string]any{name: c.value}).Get(name))
			diff, err := server.Diff(p.DiffRequest{
				Urn: urn, State: create(t, server, old), OldInputs: old, Inputs: changed,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := diff.DetailedDiff[name]; !diff.HasChanges || !ok || got.Kind != c.want {
				t.Errorf("got %+v", diff)
			}
		})
	}
}

func TestAChangeInsideTriggersIsSeenAtItsPathWhereTheEngineReplaces(t *testing.T) {
	server := serve(t)
	old := inputs(map[string]any{"create": "echo x", "triggers": []string{"a", "b"}})
	changed := inputs(map[string]any{"create": "echo x", "triggers": []string{"a", "c"}})
	diff, err := server.Diff(p.DiffRequest{Urn: urn, State: create(t, server, old), OldInputs: old, Inputs: changed})
	if err != nil {
		t.Fatal(err)
	}
	// The published SDKs' replaceOnChanges ["triggers[*]"] matches this path.
	if _, ok := diff.DetailedDiff["triggers[1]"]; !diff.HasChanges || !ok || len(diff.DetailedDiff) != 1 {
		t.Errorf("got %+v", diff)
	}
}

func TestUpdateRunsUpdateElseCreateElseNothing(t *testing.T) {
	for name, c := range map[string]struct {
		new  map[string]any
		want string
	}{
		"update":  {map[string]any{"create": "echo c", "update": `echo "u after $PULUMI_COMMAND_STDOUT"`}, "u after first"},
		"create":  {map[string]any{"create": "echo c"}, "c"},
		"nothing": {map[string]any{"delete": "echo d"}, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			old := inputs(map[string]any{"create": "echo first"})
			response, err := server.Update(p.UpdateRequest{
				Urn: urn, ID: "id", State: create(t, server, old), OldInputs: old, Inputs: inputs(c.new),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := response.Properties.Get("stdout"); !got.IsString() || got.AsString() != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestDeleteRunsFromTheStateAndOnlyWhereThereIsOne(t *testing.T) {
	server := serve(t)
	file := filepath.Join(t.TempDir(), "deleted")
	state := create(t, server, inputs(map[string]any{
		"create": "echo made", "delete": `printf %s "$PULUMI_COMMAND_STDOUT" > ` + file,
	}))
	if err := server.Delete(p.DeleteRequest{Urn: urn, ID: "id", Properties: state}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "made" {
		t.Errorf("delete left %q, %v", data, err)
	}
	state = create(t, server, inputs(map[string]any{"create": "echo made"}))
	if err := server.Delete(p.DeleteRequest{Urn: urn, ID: "id", Properties: state}); err != nil {
		t.Errorf("a command without delete could not be deleted: %v", err)
	}
}

func TestPreviewRunsNothingAndKnowsNoOutput(t *testing.T) {
	server := serve(t)
	file := filepath.Join(t.TempDir(), "ran")
	created, err := server.Create(p.CreateRequest{
		Urn: urn, Properties: inputs(map[string]any{"create": "touch " + file}), DryRun: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	old := inputs(map[string]any{"create": "true"})
	updated, err := server.Update(p.UpdateRequest{
		Urn: urn, ID: "id", State: create(t, server, old), OldInputs: old,
		Inputs: inputs(map[string]any{"create": "touch " + file}), DryRun: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	for step, properties := range map[string]property.Map{"create": created.Properties, "update": updated.Properties} {
		for _, name := range []string{"stdout", "stderr"} {
			if !properties.Get(name).IsComputed() {
				t.Errorf("preview of %s knows %s: %v", step, name, properties.Get(name))
			}
		}
		if got := properties.Get("create"); !got.IsString() {
			t.Errorf("preview of %s hides an input it knows: %v", step, got)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Error("a preview ran the command")
	}
}

func TestWhatTheStandInLacksIsRefusedEvenWhereUnknown(t *testing.T) {
	server := serve(t)
	for _, name := range []string{"assetPaths", "archivePaths"} {
		for _, value := range []property.Value{
			inputs(map[string]any{"v": []string{"*.txt"}}).Get("v"), property.New(property.Computed),
		} {
			response, err := server.Check(p.CheckRequest{
				Urn: urn, Inputs: inputs(map[string]any{"create": "true", name: value}),
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(response.Failures) != 1 || response.Failures[0].Property != name ||
				!strings.Contains(response.Failures[0].Reason, "stand-in") {
				t.Errorf("%s = %v: got %+v", name, value, response.Failures)
			}
		}
	}
}

func TestASecretInputStaysSecretAndWhatIsWrittenFromItDoesNotBecomeOne(t *testing.T) {
	server := serve(t)
	in := inputs(map[string]any{"create": `echo "$WORD"`}).Set("environment", property.New(
		map[string]property.Value{"WORD": property.New("hidden").WithSecret(true)}))
	checked, err := server.Check(p.CheckRequest{Urn: urn, Inputs: in})
	if err != nil {
		t.Fatal(err)
	}
	state := create(t, server, checked.Inputs)
	if !state.Get("environment").HasSecrets() {
		t.Errorf("the secret lost its mark: %v", state.Get("environment"))
	}
	// As with the published provider: a program that prints a secret names stdout in additionalSecretOutputs.
	if got := state.Get("stdout"); got.Secret() || got.AsString() != "hidden" {
		t.Errorf("got %v", got)
	}
}

func TestTheSchemaSaysThatThisIsAStandIn(t *testing.T) {
	response, err := serve(t).GetSchema(p.GetSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Name, Description string
		Resources         map[string]struct{ Description string }
		Types             map[string]struct{ Enum []struct{ Value string } }
	}
	if err := json.Unmarshal([]byte(response.Schema), &schema); err != nil {
		t.Fatal(err)
	}
	command, ok := schema.Resources["command:local:Command"]
	if !ok || len(schema.Resources) != 1 || schema.Name != "command" {
		t.Fatalf("got %+v", schema)
	}
	for _, text := range []string{schema.Description, command.Description} {
		if !strings.Contains(text, "stand-in") || !strings.Contains(text, "published plugin") {
			t.Errorf("nothing tells the reader: %q", text)
		}
	}
	var values []string
	for _, value := range schema.Types["command:local:Logging"].Enum {
		values = append(values, value.Value)
	}
	if !slices.Equal(values, []string{"stdout", "stderr", "stdoutAndStderr", "none"}) {
		t.Errorf("got %q", values)
	}
}
