package faults

import (
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/mattn/go-sqlite3" // The driver "sqlite3".

	"tidemark/tests/tidemark"
)

// TestNothingButTheDataFolderIsWritten brings a large older store up to date where only its
// folder may be written, as a service is confined: SQLite needs temporary files for it.
func TestNothingButTheDataFolderIsWritten(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making folders read-only for one process needs root")
	}
	data := smallDisk(t, "256m")
	key(t, data)
	event := filepath.Join(t.TempDir(), "event.json")
	const held = `{"kind":"initiated","write_id":"w","feature":"cart","key":"k","service":"s","labels":["x"],"occurred_at":"2026-11-01T00:00:00Z"}`
	if err := os.WriteFile(event, []byte(held), 0o600); err != nil {
		t.Fatal(err)
	}
	tidemark.Verb(t, "import", event, "--data", data)
	db, err := sql.Open("sqlite3", filepath.Join(data, "telemetry.db"))
	if err != nil {
		t.Fatal(err)
	}
	// The schema before held labels were counted, with many of them.
	if _, err := db.ExecContext(t.Context(), `
		DROP TRIGGER quarantine_counted; DROP TRIGGER quarantine_discounted; DROP TABLE quarantine_count; DROP TABLE quarantine_label;
		CREATE TABLE quarantine_label (label TEXT NOT NULL, number INTEGER NOT NULL REFERENCES quarantine (number) ON DELETE CASCADE, PRIMARY KEY (label, number)) STRICT, WITHOUT ROWID;
		CREATE INDEX quarantine_label_number ON quarantine_label (number);
		WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
			INSERT INTO quarantine SELECT i, 'e' || i, feature, held_at, bytes, data FROM n, quarantine;
		INSERT INTO quarantine_label SELECT printf('label-%04d-%032d', number % 7, n.column1), number FROM quarantine, (VALUES (1), (2), (3), (4), (5), (6)) n;
		DELETE FROM goose_db_version WHERE version_id = 12`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	const script = `{ mount --bind "$2" /mnt && mount -o remount,ro,bind / && for d in /tmp /var/tmp; do
			mount --bind "$d" "$d" && mount -o remount,ro,bind "$d" || exit 99
		done; } || exit 99
		cd / && exec env -i "$1" migrate up --data /mnt`
	confined := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", script, "sh", tidemark.Binary(t), data)
	said, err := confined.CombinedOutput()
	if confined.ProcessState != nil && confined.ProcessState.ExitCode() == 99 || confined.ProcessState == nil {
		t.Skipf("mounting is not allowed here: %v: %s", err, said)
	}
	if err != nil || !strings.Contains(string(said), "up to date") {
		t.Errorf("%v: %s", err, said)
	}
}
