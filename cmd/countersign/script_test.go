package main_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"countersign/internal/apicheck"
)

// TestScripts runs the stories in testdata/script against the built binary. All share one server, which
// COUNTERSIGN_SERVER and COUNTERSIGN_TOKEN name, so each keeps to accounts of its own. UPDATE=1 rewrites
// what they compare.
func TestScripts(t *testing.T) {
	p := serve(t, t.TempDir())
	url := apicheck.Proxy(t, p.url) // what the commands send and get is held to the OpenAPI document
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds:                scriptCommands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("COUNTERSIGN_SERVER", url)
			env.Setenv("COUNTERSIGN_TOKEN", bootstrap)
			return nil
		},
	})
}
