// Command daprd is Dapr's sidecar with the name resolver "nameformat" beside the stable components.
//
// Upstream registers it in builds with all components, as the published daprd is one. Those take far longer to
// compile, and need nothing else from the lab's point of view.
package main

import (
	"github.com/dapr/components-contrib/nameresolution/nameformat"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/nameresolution"
)

func main() {
	nameresolution.DefaultRegistry.RegisterComponent(nameformat.NewResolver, "nameformat")
	app.Run()
}
