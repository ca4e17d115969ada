// Package plainsql changes a database behind the program's back, as somebody with the
// file can.
package plainsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	_ "github.com/mattn/go-sqlite3" // The driver "sqlite3".
)

// Exec runs statements on the file.
func Exec(ctx context.Context, path, statements string) error {
	db, err := sql.Open("sqlite3", path)
	if err == nil {
		_, err = db.ExecContext(ctx, statements)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", path, err)
	}
	return nil
}

// Dump reads every table of the file into text, but for the columns that are named
// ("column" or "table.*").
func Dump(ctx context.Context, path string, without ...string) (string, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?mode=ro")
	if err != nil {
		return "", fmt.Errorf("dump %s: %w", path, err)
	}
	var out strings.Builder
	tables, err := column(ctx, db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	for _, t := range tables {
		if err == nil && !slices.Contains(without, t+".*") {
			err = dumpTable(ctx, db, t, without, &out)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return "", fmt.Errorf("dump %s: %w", path, err)
	}
	return out.String(), nil
}

func dumpTable(ctx context.Context, db *sql.DB, table string, without []string, out *strings.Builder) error {
	names, err := column(ctx, db, "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(without, n) })
	for i, n := range names {
		names[i] = "quote(" + n + ")"
	}
	rows, err := column(ctx, db, "SELECT "+strings.Join(names, " || ' ' || ")+" FROM "+table+" ORDER BY 1")
	for _, r := range rows {
		fmt.Fprintf(out, "%s %s\n", table, r)
	}
	return err
}

func column(ctx context.Context, db *sql.DB, query string, args ...any) (out []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}
