package migrations

import (
	"embed"
	"io/fs"
)

//go:embed control/*.sql
var controlFiles embed.FS

// Control returns the migrations of control.db.
func Control() (fs.FS, error) { return fs.Sub(controlFiles, "control") }
