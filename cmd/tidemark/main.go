// Command tidemark shows whether each feature keeps its consistency promise.
//
// Each verb is one file: a struct whose fields are its flags (kong), with a
// method Run(*env) error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// Exit codes of every verb.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// env is what a verb may use of the world. Results go to stdout, talk to stderr.
type env struct {
	ctx    context.Context // done on SIGINT and SIGTERM
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	log    *slog.Logger
	now    func() time.Time
	// app is the parsed command line, for the help verb.
	app *kong.Kong
}

// usageError is a wrong use that only the verb itself can see; it ends with exit
// code 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

func main() {
	ownFiles()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its world passed in; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	e := &env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now}

	var c cli
	code := -1
	parser, err := kong.New(&c, kongOptions(e, func(n int) { code = n })...)
	if err != nil {
		say(stderr, err)
		return exitFailed
	}
	e.app = parser
	if len(args) == 0 {
		args = []string{"--help"}
	}
	// --help calls the exit function from within Parse and goes on parsing; what it
	// then finds missing is of no interest.
	kctx, err := parser.Parse(args)
	if code >= 0 {
		return code
	}
	if err != nil {
		say(stderr, err)
		return exitUsage
	}
	preferExplicit(kctx)
	if err := keepTemporary(kctx.Selected()); err != nil {
		say(stderr, err)
		return exitFailed
	}
	e.log = c.Log.logger(stderr)
	return finish(stderr, kctx.Run(e))
}

// sqliteTemp is the variable that tells SQLite where its temporary files go.
const sqliteTemp = "SQLITE_TMPDIR"

// keepTemporary lets SQLite put what it does not hold in memory into the data folder of a
// verb, or beside one that is still to be made: it needs such files for large changes, and
// a service may write to nothing but its data.
func keepTemporary(verb *kong.Node) error {
	if _, set := os.LookupEnv(sqliteTemp); set || verb == nil || !verb.Target.CanAddr() {
		return nil
	}
	f, ok := reflect.TypeAssert[interface{ folder() string }](verb.Target.Addr())
	if !ok || f.folder() == "" {
		return nil
	}
	dir := f.folder()
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Dir(dir)
	}
	return os.Setenv(sqliteTemp, dir)
}

func finish(stderr io.Writer, err error) int {
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		say(stderr, err)
		return exitUsage
	}
	say(stderr, err)
	return exitFailed
}

func say(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(plain{stderr}, "tidemark: %v\n", err)
}
