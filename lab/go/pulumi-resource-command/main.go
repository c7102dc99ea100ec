// Command pulumi-resource-command is a STAND-IN for the published pulumi-command provider.
//
// It serves one resource, command:local:Command, for machines where the published plugin can't be downloaded:
// the lab. Wherever the published plugin can be downloaded, use that one. This program shares no code with it;
// it follows the inputs, outputs and rules of its 1.2.1 release, and contract tests hold it to the published
// Python SDK of that release.
//
// What the published provider has and this one lacks: command:local:run, everything under command:remote, and
// the inputs assetPaths and archivePaths, which are refused with an error that says so. It runs on Linux only.
package main

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// packageName is the Pulumi package that programs ask for.
const packageName = "command"

// version is set by the linker (-X main.version=...). It must be the version of the SDK that programs use, since
// the engine looks plugins up by it.
var version = "0.0.0-dev"

// description stands in the schema, so that whoever looks at the plugin learns at once which one it is.
const description = "A stand-in for the published pulumi-command provider, with command:local:Command only, " +
	"for machines where the published plugin can't be downloaded. Use the published plugin wherever it can be."

func main() {
	provider, err := newProvider()
	if err == nil {
		err = p.RunProvider(context.Background(), packageName, version, provider)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newProvider puts the provider together. infer adds what a provider owes the engine: schema, decoding, the
// default diff, and a context per operation that ends when the engine cancels or the operation's timeout passes.
func newProvider() (p.Provider, error) {
	return infer.NewProviderBuilder().
		WithDisplayName("Command (stand-in)").
		WithDescription(description).
		WithResources(infer.Resource(Command{})).
		Build()
}
