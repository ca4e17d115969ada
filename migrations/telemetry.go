// Package migrations holds the numbered SQL of every database file, for goose.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed telemetry/*.sql partition/*.sql
var metricsFiles embed.FS

// Telemetry returns the migrations of telemetry.db: rollups, rows and the list of
// partitions.
func Telemetry() (fs.FS, error) { return fs.Sub(metricsFiles, "telemetry") }

// Partition returns the migrations of one file of raw events.
func Partition() (fs.FS, error) { return fs.Sub(metricsFiles, "partition") }
