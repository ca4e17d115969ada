package migrations

import "embed"

// Control holds the schema of control.db, under the folder control/.
//
//go:embed control/*.sql
var Control embed.FS
