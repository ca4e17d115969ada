package real

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a primary and a standby that streams from it.
type postgres struct {
	primary, standby string // connection strings
}

// postgresBin returns the folder of PostgreSQL's programs, the newest version's,
// or skips the test.
func postgresBin(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1])
}

// startPostgres starts both servers on the loopback address, in folders that go
// with the test.
func startPostgres(t *testing.T, as account) *postgres {
	t.Helper()
	bin, dir := postgresBin(t), as.folder(t)
	primary, standby := filepath.Join(dir, "primary"), filepath.Join(dir, "standby")
	primaryPort, standbyPort := freePort(t), freePort(t)

	as.run(t, dir, filepath.Join(bin, "initdb"), "--pgdata", primary, "--username", "postgres", "--auth", "trust", "--no-sync")
	conf := "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nwal_level = replica\nhot_standby = on\n" +
		"max_wal_senders = 4\nshared_buffers = '16MB'\nmax_connections = 20\n"
	appendTo(t, filepath.Join(primary, "postgresql.conf"), conf)
	as.serve(t, syscall.SIGINT, primary, filepath.Join(bin, "postgres"), "-D", primary, "-p", primaryPort)
	p := &postgres{primary: dsn(primaryPort), standby: dsn(standbyPort)}
	eventually(t, 30*time.Second, "the primary answers", pings(p.primary))

	as.run(t, dir, filepath.Join(bin, "pg_basebackup"), "--pgdata", standby, "--host", "127.0.0.1", "--port", primaryPort,
		"--username", "postgres", "--wal-method", "stream", "--checkpoint", "fast", "--write-recovery-conf", "--no-sync")
	as.serve(t, syscall.SIGINT, standby, filepath.Join(bin, "postgres"), "-D", standby, "-p", standbyPort)
	eventually(t, 30*time.Second, "the standby answers", pings(p.standby))
	return p
}

func dsn(port string) string {
	return "host=127.0.0.1 port=" + port + " user=postgres dbname=postgres sslmode=disable connect_timeout=5"
}

func appendTo(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func pings(dsn string) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
}

// pauseReplay stops the standby from showing what it receives, and returns once
// it has stopped.
func (p *postgres) pauseReplay(t *testing.T) {
	t.Helper()
	p.onStandby(t, `SELECT pg_wal_replay_pause()::text`)
	eventually(t, 10*time.Second, "replay is paused", func() error {
		if s := p.onStandby(t, `SELECT pg_get_wal_replay_pause_state()`); s != "paused" {
			return stateError(s)
		}
		return nil
	})
}

func (p *postgres) resumeReplay(t *testing.T) {
	t.Helper()
	p.onStandby(t, `SELECT pg_wal_replay_resume()::text`)
}

// onStandby returns the one text that a query gives.
func (p *postgres) onStandby(t *testing.T, query string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.standby)
	if err != nil {
		t.Fatalf("connect to the standby: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var s string
	if err := conn.QueryRow(ctx, query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

type stateError string

func (e stateError) Error() string { return "the state is " + string(e) }
