// Package sqlite keeps telemetry in SQLite files of one folder:
//
//	tidemark.lock         held while the store is open
//	telemetry.db          rollups, rows, blobs, the checkpoint, the list of partitions
//	telemetry-NNNNNN.db   raw events of one span of time, as column segments in BLOBs
//
// Raw events and rollups are in different files, so that appending never waits for a
// checkpoint and retention is deleting a file. Every file is in WAL mode with
// synchronous=FULL, written by one connection and read by many.
//
// # Lookups
//
// An event is found by its write, key or session through index runs: for a range
// of segments, sorted prefixes of hashes and the segments that hold them, cut into
// chunks so that a lookup reads one small BLOB a run. The newest segments have
// their hashes in memory, and a run is built once there are enough of them. Runs of
// one size are merged, and all runs of a partition that is full, so that the number
// of runs grows with the logarithm of the segments. A run also knows when its
// segments were observed: what is older than was asked for is not read.
//
// # Upkeep
//
// One goroutine merges small segments, builds and merges index runs and seals partitions. It
// never changes what a reader sees: positions stay, and a scan asks for "the
// segment that holds position p".
package sqlite
