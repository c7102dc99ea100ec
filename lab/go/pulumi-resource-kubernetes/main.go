// Command pulumi-resource-kubernetes serves the Kubernetes provider of pulumi-kubernetes.
//
// Upstream's own main embeds two files that its release pipeline generates. This one embeds the same
// module's checked-in schema and mapping, which the lab copies beside it when it builds.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

// version is set by the linker.
var version string

func main() {
	provider.Serve("kubernetes", version, schema, terraformMapping)
}
