// Package upgrade makes stores as earlier versions of the program left them, with data
// in every table that they had, and brings them up to date.
package upgrade

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/mattn/go-sqlite3" // The driver "sqlite3".
	"github.com/pressly/goose/v3"

	"tidemark/flags"
	"tidemark/flags/access"
	control "tidemark/flags/sqlite"
	"tidemark/metrics"
	telemetry "tidemark/metrics/sqlite"
	"tidemark/migrations"
	"tidemark/tests/tidemark"
)

// changed says what a migration does to the data of a table on purpose: before holds
// the first schema that has it done.
func changed() []struct {
	table, column string
	before        int64
	why           string
} {
	return []struct {
		table, column string
		before        int64
		why           string
	}{
		{"sessions", "", 30, "sessions from before name no account: people sign in again"},
		{"sign_ins", "", 30, "links that live for 15 minutes"},
		{"api_keys", "scopes", 30, "managing keys became a scope of its own"},
		{"violation", "id", 11, "violations of two features may be of sessions with one name"},
		{"violation", "data", 11, "the id is in it as well"},
	}
}

// TestEveryEarlierSchemaIsBroughtUp makes a folder at each earlier schema, starts the
// server on it, and compares.
func TestEveryEarlierSchemaIsBroughtUp(t *testing.T) {
	t.Parallel()
	now := makeStore(t)
	for _, v := range versions(t, migrations.Control) {
		t.Run(fmt.Sprintf("control %d", v), func(t *testing.T) {
			t.Parallel()
			old := filepath.Join(t.TempDir(), "data")
			copyStore(t, now.dir, old)
			downTo(t, filepath.Join(old, control.FileName), filepath.Join(now.dir, control.FileName), migrations.Control, v)
			before := dump(t, filepath.Join(old, control.FileName))
			tidemark.Verb(t, "migrate", "up", "--data", old)
			after := dump(t, filepath.Join(old, control.FileName))
			compare(t, v, before, after)
			now.checkControl(t, old, v)
			now.checkServer(t, old, v)
		})
	}
	for _, v := range versions(t, migrations.Telemetry) {
		t.Run(fmt.Sprintf("telemetry %d", v), func(t *testing.T) {
			t.Parallel()
			old := filepath.Join(t.TempDir(), "data")
			copyStore(t, now.dir, old)
			path := filepath.Join(old, "telemetry.db")
			downTo(t, path, filepath.Join(now.dir, "telemetry.db"), migrations.Telemetry, v)
			if v < 11 { // as violations were named then
				const id = "guarantee || substr(id, length(guarantee) + length(length(feature)) + length(feature) + 3)"
				db := openPlain(t, path)
				exec(t, db, "UPDATE violation SET id = "+id+", data = json_set(data, '$.id', "+id+")")
			}
			before := dump(t, path)
			tidemark.Verb(t, "migrate", "up", "--data", old)
			after := dump(t, path)
			if want := dump(t, filepath.Join(now.dir, "telemetry.db"))["violation"]; len(want) == 0 || !cmp.Equal(want, after["violation"]) {
				t.Errorf("schema %d: violations were to be as they are now: %s", v, cmp.Diff(want, after["violation"]))
			}
			if want := []map[string]any{{"feature": "x", "label": "x", "events": int64(1)}}; v < 12 && v >= 3 && !cmp.Equal(want, after["quarantine_count"]) {
				t.Errorf("schema %d: what is held was to be counted: %s", v, cmp.Diff(want, after["quarantine_count"]))
			}
			compare(t, v, before, after)
			now.checkServer(t, old, 1<<40)
		})
	}
	for _, v := range versions(t, migrations.Partition) {
		t.Run(fmt.Sprintf("partition %d", v), func(t *testing.T) {
			t.Parallel()
			old := filepath.Join(t.TempDir(), "data")
			copyStore(t, now.dir, old)
			downTo(t, filepath.Join(old, "telemetry-000001.db"), filepath.Join(now.dir, "telemetry-000001.db"), migrations.Partition, v)
			tidemark.Verb(t, "migrate", "--data", old)
			now.checkServer(t, old, 1<<40)
		})
	}
}

func versions(t *testing.T, files func() (fs.FS, error)) (out []int64) {
	t.Helper()
	sqls, err := files()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(sqls, ".")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d migrations, %v", len(entries), err)
	}
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// compare holds every row and column of before to be in after, but for what a
// migration changes on purpose.
func compare(t *testing.T, v int64, before, after map[string][]map[string]any) {
	t.Helper()
	if len(before) == 0 {
		t.Fatal("there was nothing before")
	}
	for table, rows := range before {
		if len(rows) == 0 {
			t.Errorf("schema %d: %s has no row: nothing is tested about it", v, table)
		}
		got := after[table]
		for _, c := range changed() {
			if c.table != table || v >= c.before {
				continue
			}
			if c.column == "" {
				rows, got = nil, nil
			}
			for _, r := range append(slices.Clone(rows), got...) {
				delete(r, c.column)
			}
		}
		if len(rows) > len(got) {
			t.Errorf("schema %d: %s had %d rows, it has %d", v, table, len(rows), len(got))
			continue
		}
		for i, r := range rows {
			for column, value := range r {
				if have := got[i][column]; !cmp.Equal(value, have) {
					t.Errorf("schema %d: %s row %d: %s was %v, it is %v", v, table, i, column, value, have)
				}
			}
		}
	}
}

// dump reads every row of every table, in the order of the rows' keys.
func dump(t *testing.T, path string) map[string][]map[string]any {
	t.Helper()
	db := openPlain(t, path)
	out := map[string][]map[string]any{}
	for _, table := range tables(t, db, "main") {
		out[table] = readAll(t, db, table)
	}
	return out
}

func readAll(t *testing.T, db *sql.DB, table string) []map[string]any {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY 1, 2")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c] = values[i]
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// downTo makes the file anew at an earlier schema, with the rows that a file of the
// newest one has in the tables and columns of then.
func downTo(t *testing.T, path, newest string, files func() (fs.FS, error), v int64) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	db := openPlain(t, path)
	sqls, err := files()
	if err != nil {
		t.Fatal(err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, sqls)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.UpTo(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	exec(t, db, "ATTACH ? AS newest", newest)
	there := tables(t, db, "newest")
	for _, table := range tables(t, db, "main") {
		if !slices.Contains(there, table) {
			continue
		}
		var common []string
		now := columns(t, db, "newest", table)
		for _, c := range columns(t, db, "main", table) {
			if slices.Contains(now, c) {
				common = append(common, c)
			}
		}
		list := strings.Join(common, ", ")
		exec(t, db, "DELETE FROM main."+table)
		exec(t, db, "INSERT INTO main."+table+" ("+list+") SELECT "+list+" FROM newest."+table)
	}
	exec(t, db, "DETACH newest")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func openPlain(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%.200s: %v", statement, err)
	}
}

func list(t *testing.T, db *sql.DB, query string, args ...any) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func tables(t *testing.T, db *sql.DB, schema string) []string {
	t.Helper()
	return list(t, db, "SELECT name FROM "+schema+".sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY rowid")
}

func columns(t *testing.T, db *sql.DB, schema, table string) []string {
	t.Helper()
	return list(t, db, "SELECT name FROM pragma_table_info(?, ?)", table, schema)
}

func copyStore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// checkControl reads what a store of schema v held through the program's own code.
func (n *newest) checkControl(t *testing.T, dir string, v int64) {
	t.Helper()
	ctx := t.Context()
	s, err := control.Open(ctx, filepath.Join(dir, control.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id, err := access.KeyID(n.key)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := s.Key(ctx, id); err != nil || !k.Is(n.key) || !k.Live(time.Now()) {
		t.Errorf("the key: %+v, %v", k, err)
	}
	if h, err := s.Verify(ctx); err != nil || (v >= 2) != (h.Size > 0) {
		t.Errorf("the audit log: %+v, %v", h, err)
	}
	if v < 10 {
		return
	}
	docs, err := s.Documents(ctx)
	if err != nil || len(docs) == 0 {
		t.Errorf("%d documents, %v", len(docs), err)
	}
	if hooks, err := s.Webhooks(ctx); err != nil || len(hooks) != 1 || hooks[0].Secret != "whsec_dGlkZW1hcms=" {
		t.Errorf("webhooks: %+v, %v", hooks, err)
	}
	if v < 20 {
		return
	}
	if all, err := s.Rollouts(ctx); err != nil || len(all) != 1 || all[0].State != flags.RolloutCompleted {
		t.Errorf("rollouts: %+v, %v", all, err)
	}
	if v < 30 {
		return
	}
	if people, err := s.Accounts(ctx); err != nil || len(people) != 1 || people[0].Role != access.Operator || len(people[0].Teams) != 1 {
		t.Errorf("accounts: %+v, %v", people, err)
	}
}

// checkServer starts the program on the folder: the key of then opens it, the numbers
// are the same, and all of it is whole.
func (n *newest) checkServer(t *testing.T, dir string, v int64) {
	t.Helper()
	s := tidemark.Start(t, "serve", "--data", dir)
	if got := get(t, s.URL+"/api/v1/writes/w1", n.key); !strings.Contains(got, `"w1"`) {
		t.Errorf("the write is not told: %.300s", got)
	}
	if got := get(t, s.URL+"/api/v1/features", n.key); !strings.Contains(got, `"cart"`) {
		t.Errorf("the feature is not listed: %.300s", got)
	}
	if err := s.Stop(time.Minute); err != nil {
		t.Fatalf("stop: %v\n%s", err, s.Said())
	}
	tidemark.Verb(t, "doctor", "--data", dir)
	if v >= 2 {
		tidemark.Verb(t, "audit", "verify", "--data", dir)
	}
	store, err := telemetry.Open(t.Context(), telemetry.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if store.End() != metrics.Position(n.events) {
		t.Errorf("the log ends at %d, want %d", store.End(), n.events)
	}
}

func get(t *testing.T, url, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body strings.Builder
	if err := resp.Write(&body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v\n%.500s", url, resp.Status, err, body.String())
	}
	return body.String()
}
