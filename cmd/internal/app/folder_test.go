package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	telemetry "tidemark/metrics/sqlite"
	"tidemark/tests/plainsql"
)

// emptyStore returns a folder that a server made and left.
func emptyStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	a := start(t, dir)
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, dir string) *App {
	t.Helper()
	a := made(t, dir)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func made(t *testing.T, dir string) *App {
	t.Helper()
	a, err := New(Options{Data: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAFolderInUseIsNotBroughtUp: a newer program that is started, or told to migrate,
// while an older server has the folder open must leave that one's control data alone.
func TestAFolderInUseIsNotBroughtUp(t *testing.T) {
	t.Parallel()
	dir := emptyStore(t)
	path := filepath.Join(dir, control.FileName)
	if err := plainsql.Exec(t.Context(), path, "ALTER TABLE webhooks DROP COLUMN checkpoints; DELETE FROM goose_db_version WHERE version_id = 70"); err != nil {
		t.Fatal(err)
	}
	other, err := telemetry.Open(t.Context(), telemetry.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	a := made(t, dir)
	for name, begin := range map[string]error{"start": a.Start(t.Context()), "open": a.Open(t.Context()), "rebuild": a.Rebuild(t.Context(), nil)} {
		if !errors.Is(begin, metrics.ErrLocked) {
			t.Errorf("%s: %v", name, begin)
		}
	}
	schemas, err := Schemas(t.Context(), dir)
	if err != nil || schemas[0].Schema >= schemas[0].Known {
		t.Errorf("%v, %v: the schema of control.db was to stay older", schemas, err)
	}
}

// TestControlDataThatIsGoneIsNamed: a server without it would have no keys, no people and
// no promises, and begin another audit log.
func TestControlDataThatIsGoneIsNamed(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := emptyStore(t)
			path := filepath.Join(dir, control.FileName)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			if err := made(t, dir).Start(t.Context()); !errors.Is(err, metrics.ErrDamaged) || !strings.Contains(err.Error(), "restore a backup") {
				t.Errorf("the start: %v", err)
			}
			if hasBytes(path) {
				t.Error("control data was made anew")
			}
		})
	}
}

// TestWhatCannotBeReadIsNotCalledDamaged: to restore a backup, or to move a file away, is
// no advice for a file of another user, or on a full disk.
func TestWhatCannotBeReadIsNotCalledDamaged(t *testing.T) {
	t.Parallel()
	for want, x := range map[string]*Examination{doReach: {denied: true}, doRoom: {full: true}, doRollups: {}} {
		x.file("telemetry.db", 0, 1, 0, errors.New("unable to open database file"))
		if x.Checks[0].Level != LevelFail || x.Checks[0].Do != want {
			t.Errorf("%+v, want %q", x.Checks[0], want)
		}
	}
}
