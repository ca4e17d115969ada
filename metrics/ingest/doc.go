// Package ingest takes decoded, validated and authorised events, makes them
// durable, acknowledges them, and has them folded.
//
// One writer commits whatever has queued up as one transaction (group commit,
// DeWitt et al. 1984), so the cost of reaching the disk is shared. What was
// acknowledged is in the log; the fold runs behind it.
package ingest
