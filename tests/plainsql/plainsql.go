// Package plainsql changes a database behind the program's back, as somebody with the
// file can.
package plainsql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
