package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidemark/cmd/internal/app"
	"tidemark/flags/access"
	"tidemark/tests/plainsql"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark": main})
}

// TestScripts runs each testdata/script/*.txtar: a session with the command line.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"server": startServer, "spoil": spoil, "cut": cut, "copyfolder": copyFolder, "keyfrom": keyFrom, "wrong": wrongUse, "sql": runSQL,
			"putflag": putFlag, "fromfile": fromFile,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}

// startServer is "server DIR": it serves a folder until the script ends, and sets
// URL, and KEY to a key that may do everything.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: server DIR")
	}
	ctx := context.Background()
	a, err := app.New(app.Options{Data: ts.MkAbs(args[0]), Listen: "127.0.0.1:0"})
	ts.Check(err)
	ts.Check(a.Start(ctx))
	ts.Defer(func() { _ = a.Stop(ctx) })
	k, token, err := access.NewKey(access.NewKeyOptions{Name: "script", Scopes: []string{"publish:*", "evaluate", "read", "control", "admin"}}, time.Now())
	ts.Check(err)
	ts.Check(a.Access().CreateKey(ctx, k, "cli:script", ""))
	ts.Setenv("URL", a.URL())
	ts.Setenv("KEY", token)
}

// spoil is "spoil FILE": it damages a file from its second page on.
func spoil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spoil FILE")
	}
	path := ts.MkAbs(args[0])
	raw := []byte(ts.ReadFile(args[0]))
	for i := 4096; i < len(raw); i++ {
		raw[i] ^= 0xa5
	}
	ts.Check(os.WriteFile(path, raw, 0o600))
}

// cut is "cut FILE": it takes the second half of a file away.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cut FILE")
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(len(ts.ReadFile(args[0]))/2)))
}

// copyFolder is "copyfolder FROM TO".
func copyFolder(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copyfolder FROM TO")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}

// runSQL is "sql FILE STATEMENTS": what somebody with the file can do to it.
func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sql FILE STATEMENTS")
	}
	ts.Check(plainsql.Exec(context.Background(), ts.MkAbs(args[0]), args[1]))
}

// keyFrom is "keyfrom VARIABLE FILE": it sets a variable to the id of the key whose
// text is the file.
func keyFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keyfrom VARIABLE FILE")
	}
	text := ts.ReadFile(args[1])
	id, err := access.KeyID(text[:len(text)-1])
	ts.Check(err)
	ts.Setenv(args[0], id)
}

// putFlag is "putflag KEY FILE": it stores a flag at the server of URL and KEY.
func putFlag(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: putflag KEY FILE")
	}
	f := remoteFlags{To: ts.Getenv("URL"), Key: ts.Getenv("KEY")}
	body := json.RawMessage(ts.ReadFile(args[1]))
	ts.Check(f.call(context.Background(), http.MethodPut, "/api/v1/flags/"+args[0], body, nil))
}

// fromFile is "fromfile VARIABLE FILE": it sets a variable to the first line of a file.
func fromFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fromfile VARIABLE FILE")
	}
	line, _, _ := strings.Cut(ts.ReadFile(args[1]), "\n")
	ts.Setenv(args[0], line)
}

// wrongUse is "wrong MESSAGE ARG…": it runs tidemark and wants exit code 2, nothing
// on standard output, and one line with the message on standard error.
func wrongUse(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: wrong MESSAGE ARG...")
	}
	var exit *exec.ExitError
	if err := ts.Exec("tidemark", args[1:]...); !errors.As(err, &exit) || exit.ExitCode() != exitUsage {
		ts.Fatalf("%q: %v, want exit code %d", args[1:], err, exitUsage)
	}
	said := ts.ReadFile("stderr")
	if out := ts.ReadFile("stdout"); out != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, args[0]) {
		ts.Fatalf("%q: said %q %q, want one line with %q", args[1:], out, said, args[0])
	}
}
