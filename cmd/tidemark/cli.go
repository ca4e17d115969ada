package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// cli is the whole command line. A flag's value comes from the command line, else
// its TIDEMARK_* variable, else the YAML file of --config, else its default.
type cli struct {
	Config configFlag `help:"YAML file of settings; keys are flag names with '_' for '-'." placeholder:"FILE" env:"TIDEMARK_CONFIG" type:"existingfile"`
	Log    logFlags   `embed:"" prefix:"log-" envprefix:"TIDEMARK_LOG_"`

	Demo     demoCmd     `cmd:"" help:"Show tidemark at work: a temporary store and simulated traffic, on this machine alone. Unless --log-level is debug, the server logs warnings and errors only."`
	Serve    serveCmd    `cmd:"" help:"Take telemetry in and answer questions about it."`
	Keys     keysCmd     `cmd:"" help:"Create, list, rotate and revoke the API keys of services."`
	Users    usersCmd    `cmd:"" help:"Create, list, invite and disable people, and give them roles."`
	Simulate simulateCmd `cmd:"" help:"Send seeded telemetry of a made-up store to a server, or write it to a file."`
	Rollout  rolloutCmd  `cmd:"" help:"Stage a change onto a cohort: plan, start, watch, pause, revert."`
	Eval     evalCmd     `cmd:"" help:"Say what a context gets of a flag, and why, step by step."`
	Policy   policyCmd   `cmd:"" help:"Try the policies: who may do what, and why."`
	Apply    applyCmd    `cmd:"" help:"Make documents current: plan, compare, and store all of them or none."`
	Export   exportCmd   `cmd:"" help:"Print the current documents."`
	Import   importCmd   `cmd:"" help:"Take telemetry from a file."`
	Rebuild  rebuildCmd  `cmd:"" help:"Make the rollups of a stopped store anew from its raw events."`
	Backup   backupCmd   `cmd:"" help:"Write a checked copy of a store into one file: of a running server, or of a stopped store."`
	Restore  restoreCmd  `cmd:"" help:"Put a backup into an empty data folder, checked."`
	Migrate  migrateCmd  `cmd:"" help:"Bring the schema of a stopped store up to date, or say what it is."`
	Audit    auditCmd    `cmd:"" help:"Verify, export and sign the log of who changed what."`
	Doctor   doctorCmd   `cmd:"" help:"Check the store, the disk, the clock and the settings, and say what to do."`
	Signin   signinCmd   `cmd:"" help:"Print a link that signs a browser in, once, within 15 minutes."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
	Help     helpCmd     `cmd:"" help:"Show help of a verb."`
}

// logFlags say how tidemark talks on standard error.
type logFlags struct {
	Level  string `help:"Least level that is logged: debug, info, warn or error." default:"info" enum:"debug,info,warn,error" env:"LEVEL"`
	Format string `help:"Form of log lines: text or json." default:"text" enum:"text,json" env:"FORMAT"`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	level := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}[f.Level]
	opts := &slog.HandlerOptions{Level: level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// remoteFlags are embedded by verbs that talk to a server.
type remoteFlags struct {
	To  string `help:"Base URL of the server." placeholder:"URL" env:"TIDEMARK_URL"`
	Key string `help:"API key to show to the server." placeholder:"KEY" env:"TIDEMARK_KEY"`
}

// dataFlag is embedded by verbs that work on a data folder.
type dataFlag struct {
	Data string `help:"Data folder." placeholder:"DIR" env:"TIDEMARK_DATA" type:"path"`
}

func (f *dataFlag) folder() string { return f.Data }

func kongOptions(e *env, exit func(int)) []kong.Option {
	return []kong.Option{
		kong.Name("tidemark"),
		kong.Description("Shows whether each feature keeps its consistency promise, and if not, where and why."),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(exit),
		kong.Bind(e),
		kong.Help(help),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"version": version()},
	}
}

// help prints kong's help, and after it where settings come from.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := io.WriteString(ctx.Stdout, "\n"+strings.TrimSpace(`
A setting is taken from the command line, else from its TIDEMARK_* variable, else
from the YAML file of --config, else from its default.
Exit codes: 0 done, 1 failed, 2 wrong use.`)+"\n")
	return err
}

// helpCmd is "tidemark help VERB".
type helpCmd struct {
	Verb []string `arg:"" optional:"" help:"The verb to explain."`
}

// Run implements the verb.
func (c *helpCmd) Run(e *env) error {
	_, err := e.app.Parse(append(c.Verb, "--help"))
	if err != nil && len(c.Verb) > 0 && !isVerb(e.app, c.Verb[0]) {
		return usageError{err}
	}
	return nil
}

func isVerb(app *kong.Kong, name string) bool {
	for _, n := range app.Model.Children {
		if n.Name == name {
			return true
		}
	}
	return false
}

// isTerminal reports whether w is a terminal, where a progress bar makes sense.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
