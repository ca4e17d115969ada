package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"tidemark/flags/access"
	"tidemark/flags/audit"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	telemetry "tidemark/metrics/sqlite"
	"tidemark/migrations"
)

// Level says how bad a finding is.
type Level string

// Levels of findings: only a failure makes an examination fail.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelFail Level = "fail"
)

// Check is one thing that was looked at: what was found, and what to do about it.
type Check struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`
}

// Examination is what was found.
type Examination struct {
	Data    string  `json:"data"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`

	// denied and full say what keeps files from being read, which then are not called
	// damaged: SQLite makes a file beside one to read it.
	denied, full bool
}

// OK reports whether nothing failed.
func (x *Examination) OK() bool { return x.Trouble() == "" }

// Trouble names the first check that failed, and why.
func (x *Examination) Trouble() string {
	for _, c := range x.Checks {
		if c.Level == LevelFail {
			return c.Name + ": " + c.Text
		}
	}
	return ""
}

// Warnings is how many checks warn.
func (x *Examination) Warnings() (n int) {
	for _, c := range x.Checks {
		if c.Level == LevelWarn {
			n++
		}
	}
	return n
}

func (x *Examination) add(level Level, name, do, format string, args ...any) {
	if level == LevelOK {
		do = ""
	}
	x.Checks = append(x.Checks, Check{name, level, fmt.Sprintf(format, args...), do})
}

func (x *Examination) ok(name, format string, args ...any) { x.add(LevelOK, name, "", format, args...) }

func (x *Examination) warn(name, do, format string, args ...any) {
	x.add(LevelWarn, name, do, format, args...)
}

func (x *Examination) fail(name, do string, err error) { x.add(LevelFail, name, do, "%s", err) }

// Examine looks at a data folder, whether a server has it open or not, and changes
// nothing. It reads every event. The error is about examining; what is wrong is in the
// result.
func Examine(ctx context.Context, o Options) (*Examination, error) {
	if _, err := os.ReadDir(o.Data); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	x := &Examination{Data: o.Data, Version: o.Version}
	x.program()
	x.server(o.Data)
	x.folder(o.Data)
	if err := x.stores(ctx, o); err != nil {
		return nil, err
	}
	return x, ctx.Err()
}

// Diagnose is Examine with what surrounds the store: the disk, the clock and the
// settings of the server.
func Diagnose(ctx context.Context, o Options) (*Examination, error) {
	x, err := Examine(ctx, o)
	if err != nil {
		return nil, err
	}
	if x.OK() {
		x.policies(ctx, o.Data)
	}
	x.disk(o.Data)
	x.clock(o.Now())
	x.settings(o)
	return x, nil
}

func (x *Examination) program() {
	engine, err := telemetry.EngineVersion()
	if err != nil {
		x.fail("program", "Build tidemark with a newer SQLite: earlier ones can corrupt a write-ahead log.", err)
		return
	}
	x.ok("program", "tidemark %s, %s, SQLite %s", x.Version, runtime.Version(), engine)
}

func (x *Examination) server(dir string) {
	pid, err := telemetry.Holder(dir)
	switch {
	case err != nil:
		x.warn("server", "See who owns the file.", "it cannot be told whether a server runs: %v", err)
	case pid == "":
		x.ok("server", "none has the folder open")
	default:
		x.ok("server", "process %s has the folder open", pid)
	}
}

// folder looks at who may read what holds keys and events.
func (x *Examination) folder(dir string) {
	st, err := os.Stat(dir)
	if err != nil {
		x.fail("folder", "See that the folder is there.", err)
		return
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 {
		x.warn("folder", fmt.Sprintf("chmod 0700 %s", dir), "others on this machine may get in: its mode is %04o", mode)
	} else {
		x.ok("folder", "only its owner may get in (%04o)", mode)
	}
	for _, pattern := range []string{stagePattern, "*.partial"} {
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(left) > 0 {
			x.warn("left behind", "The next start removes it, unless a backup is being made now.", "%s", left[0])
		}
	}
	if free, _, err := diskSpace(dir); err == nil && free < noneFree {
		x.full = true
	}
	if err := writable(dir); err != nil && !x.full {
		x.denied = true
		x.fail("writing", doReach, err)
	}
	x.filesWritable(dir)
}

// filesWritable looks whether each file may be written. It comes before any is opened as
// a database: closing a file ends the locks that a process has on it.
func (x *Examination) filesWritable(dir string) {
	there, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return
	}
	for _, path := range there {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			x.denied = true
			x.fail("writing", doReach, err)
		}
	}
}

// writable tries to make a file.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func (x *Examination) stores(ctx context.Context, o Options) error {
	x.control(ctx, o)
	i, err := telemetry.Inspect(ctx, o.Data, true)
	if err != nil {
		return err
	}
	for _, f := range i.Files {
		x.file(f.Name, f.Schema, f.Known, f.WAL, f.Err)
	}
	switch read := uint64(i.End - i.Begin); {
	case i.NoRollups && len(i.Files) == 0:
		x.ok("event log", "there is none yet; the first start makes it")
	case i.NoRollups:
		x.warn("rollups", "tidemark rebuild makes them anew from the raw files.", "telemetry.db is missing")
	case i.Err != nil:
		x.fail("event log", doRestoreRaw, i.Err)
	case i.Read != read:
		x.fail("event log", doRestoreRaw, fmt.Errorf("%w: %d events can be read, %d were stored", metrics.ErrDamaged, i.Read, read))
	default:
		x.ok("event log", "%d events can be read", i.Read)
		x.ok("rollups", "include the log up to position %d; the next start counts %d more", i.Checkpointed, i.End-i.Checkpointed)
	}
	x.future("last event", i.Newest, o.Now())
	return nil
}

const (
	doRestoreRaw = "Restore a backup, or move the damaged file away and run tidemark rebuild: its span of time is lost."
	doRollups    = "Restore a backup, or move telemetry.db away and run tidemark rebuild: it is made anew from the raw files."
	doControl    = "Restore a backup: control data cannot be made anew from anything."
	doNewer      = "Run the newer program, or restore a backup from before the upgrade."
	doReach      = "Let the user who runs the server, and this verb, read and write the folder and its files: their owner, their mode, a mount that is read-only."
	doRoom       = "Make room, and look again."
)

func (x *Examination) file(name string, schema, known, wal int64, err error) {
	do := doRestoreRaw
	switch name {
	case "telemetry.db":
		do = doRollups
	case control.FileName:
		do = doControl
	}
	switch {
	case errors.Is(err, migrations.ErrNewer):
		x.fail(name, doNewer, err)
	case err != nil && x.denied:
		x.fail(name, doReach, err)
	case err != nil && (x.full || errors.Is(err, metrics.ErrFull)):
		x.fail(name, doRoom, err)
	case err != nil:
		x.fail(name, do, err)
	case schema < known:
		x.warn(name, "The next start, or tidemark migrate, brings it up to date; take a backup first.", "is whole; its schema is %d, this program's %d", schema, known)
	case wal > largeWAL:
		x.warn(name, "Look for a program that keeps the file open for reading; a restart empties the log.", "is whole; its write-ahead log has grown to %d bytes", wal)
	default:
		x.ok(name, "is whole; schema %d", schema)
	}
}

// largeWAL is what a write-ahead log does not reach unless something keeps it from
// being emptied.
const largeWAL = 256 << 20

func (x *Examination) control(ctx context.Context, o Options) {
	path := filepath.Join(o.Data, control.FileName)
	s, err := control.Inspect(ctx, path)
	if err != nil {
		x.file(control.FileName, 0, 0, 0, err)
		return
	}
	defer func() { _ = s.Close() }()
	schema, err := s.Version(ctx)
	known, kerr := control.Known()
	if err = errors.Join(err, kerr); err == nil && schema > known {
		err = fmt.Errorf("%w: its schema is %d, this program knows up to %d", migrations.ErrNewer, schema, known)
	}
	if err == nil {
		err = s.Check(ctx)
	}
	var wal int64
	if st, err := os.Stat(path + "-wal"); err == nil {
		wal = st.Size()
	}
	x.file(control.FileName, schema, known, wal, err)
	if err == nil && schema == known {
		x.auditLog(ctx, s, o.Now())
		x.people(ctx, s, o.Now())
	}
}

func (x *Examination) auditLog(ctx context.Context, s *control.Store, now time.Time) {
	v, err := s.VerifyAgainst(ctx, audit.Trust{})
	if err != nil {
		x.fail("audit log", "Somebody changed it, or the disk did: keep a copy of the folder, and compare with an export or a checkpoint kept elsewhere.", err)
		return
	}
	x.ok("audit log", "%d entries verify; root %s", v.Head.Size, v.Head.Root)
	last, err := s.Latest(ctx)
	switch {
	case errors.Is(err, audit.ErrNoEntry):
		x.warn("checkpoints", "Start the server, or run tidemark audit checkpoint, and keep what it prints on another machine.", "the audit log was never signed")
	case err != nil:
		x.fail("checkpoints", doControl, err)
	case last.Size < v.Head.Size:
		x.warn("checkpoints", "A running server signs within a minute; tidemark audit checkpoint signs now.", "%d of %d entries not signed yet", v.Head.Size-last.Size, v.Head.Size)
	default:
		x.ok("checkpoints", "%d verify; the last was signed %s", v.Checkpoints, last.At.UTC().Format(time.RFC3339))
	}
	if entries, err := s.Entries(ctx, audit.Query{Limit: 1}); err == nil && len(entries) == 1 {
		x.future("last change", entries[0].At.UnixNano(), now)
	}
}

// people looks for what keeps people out, or lets too many in.
func (x *Examination) people(ctx context.Context, s *control.Store, now time.Time) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		x.fail("people", doControl, err)
		return
	}
	admins := 0
	for i := range accounts {
		if accounts[i].Role == access.Administrator && accounts[i].DisabledAt.IsZero() {
			admins++
		}
	}
	if admins == 0 {
		x.warn("people", "Open the link that the first start prints, or run tidemark signin.", "no account is an administrator's")
	} else {
		x.ok("people", "%d accounts, %d of them administrators'", len(accounts), admins)
	}
	keys, err := s.Keys(ctx)
	if err != nil {
		x.fail("keys", doControl, err)
		return
	}
	x.keys(keys, now)
}

// soon is how long before its end a key is worth a word.
const soon = 7 * 24 * time.Hour

func (x *Examination) keys(keys []access.Key, now time.Time) {
	live := 0
	for i := range keys {
		k := &keys[i]
		if !k.Live(now) {
			continue
		}
		live++
		if !k.ExpiresAt.IsZero() && k.ExpiresAt.Sub(now) < soon {
			x.warn("keys", "tidemark keys rotate "+k.ID, "key %s (%s) ends at %s", k.ID, k.Name, k.ExpiresAt.UTC().Format(time.RFC3339))
		}
	}
	x.ok("keys", "%d live", live)
}

// Schema is the schema of one file.
type Schema struct {
	Name   string `json:"name"`
	Schema int64  `json:"schema"`
	Known  int64  `json:"known"` // the newest that this program has
}

// Schemas reads the schema of each file of a data folder and changes nothing.
func Schemas(ctx context.Context, dir string) (out []Schema, err error) {
	s, err := control.Inspect(ctx, filepath.Join(dir, control.FileName))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	c := Schema{Name: control.FileName}
	if c.Schema, err = s.Version(ctx); err != nil {
		return nil, err
	}
	if c.Known, err = control.Known(); err != nil {
		return nil, err
	}
	i, err := telemetry.Inspect(ctx, dir, false)
	if err != nil {
		return nil, err
	}
	out = append(out, c)
	for _, f := range i.Files {
		if f.Err != nil && f.Schema == 0 {
			return nil, f.Err
		}
		out = append(out, Schema{f.Name, f.Schema, f.Known})
	}
	return out, nil
}
