package migrations_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	_ "github.com/mattn/go-sqlite3" // The driver "sqlite3".
	"github.com/pressly/goose/v3"

	"tidemark/migrations"
)

// added lists the migrations of each kind of file in the order in which they were added:
// stores were made with all that came before any of them. A new one goes to the end, and
// its number is above all others.
func added() map[string]struct {
	files func() (fs.FS, error)
	order []int64
} {
	return map[string]struct {
		files func() (fs.FS, error)
		order []int64
	}{
		"control":   {migrations.Control, []int64{1, 2, 10, 21, 40, 30, 20, 50, 70, 60, 65, 55}},
		"telemetry": {migrations.Telemetry, []int64{1, 2, 10, 3, 4, 11, 12}},
		"partition": {migrations.Partition, []int64{1, 2}},
	}
}

// TestAStoreOfAnyTimeIsBroughtUp makes a file with the migrations that there were at each
// time, and brings it up to date.
func TestAStoreOfAnyTimeIsBroughtUp(t *testing.T) {
	t.Parallel()
	for kind, a := range added() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			files, err := a.files()
			if err != nil {
				t.Fatal(err)
			}
			fresh := open(t)
			up(t, fresh, files)
			want := shape(t, fresh)
			for n := 1; n <= len(a.order); n++ {
				old := open(t)
				build(t, old, files, a.order[:n])
				gap := !slices.Equal(slices.Sorted(slices.Values(a.order[:n])), slices.Sorted(slices.Values(a.order)))
				latest, err := migrations.Latest(files)
				if err != nil {
					t.Fatal(err)
				}
				if is := schema(t, old, files); (is < latest) != gap {
					t.Errorf("with %v: schema %d of %d, though something is missing: %t", a.order[:n], is, latest, gap)
				}
				up(t, old, files)
				if is := schema(t, old, files); is != latest {
					t.Errorf("with %v: schema %d afterwards, want %d", a.order[:n], is, latest)
				}
				if d := cmp.Diff(want, shape(t, old)); d != "" {
					t.Errorf("with %v: it has not what a new file has: %s", a.order[:n], d)
				}
			}
			if got := slices.Sorted(slices.Values(a.order)); !slices.Equal(got, versions(t, files)) {
				t.Errorf("the order has %v, the folder %v", got, versions(t, files))
			}
		})
	}
}

// TestANewerStoreIsSeen is about a file with a migration that this program has not.
func TestANewerStoreIsSeen(t *testing.T) {
	t.Parallel()
	files, err := migrations.Control()
	if err != nil {
		t.Fatal(err)
	}
	db := open(t)
	up(t, db, files)
	if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if is := schema(t, db, files); is != 99999 {
		t.Errorf("schema %d, want 99999", is)
	}
}

func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(t.TempDir(), "a.db")+"?_synchronous=OFF")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

func up(t *testing.T, db *sql.DB, files fs.FS) {
	t.Helper()
	if err := migrations.Apply(t.Context(), db, files); err != nil {
		t.Fatal(err)
	}
}

// build applies some migrations, one by one.
func build(t *testing.T, db *sql.DB, files fs.FS, order []int64) {
	t.Helper()
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range order {
		if _, err := p.ApplyVersion(t.Context(), v, true); err != nil {
			t.Fatal(err)
		}
	}
}

func schema(t *testing.T, db *sql.DB, files fs.FS) int64 {
	t.Helper()
	v, err := migrations.Schema(t.Context(), db, files)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func versions(t *testing.T, files fs.FS) (out []int64) {
	t.Helper()
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		t.Fatal(err)
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

// shape lists the columns, whatever their order, the indexes and the triggers.
func shape(t *testing.T, db *sql.DB) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `
		SELECT m.name, c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '') || ' ' || c.pk
		FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
		UNION ALL SELECT name, coalesce(sql, '') FROM sqlite_schema WHERE type <> 'table' ORDER BY 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s: %s", name, text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
