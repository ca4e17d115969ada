// Package sync hands out the whole definition of the flags, for evaluators that run
// elsewhere: as flagd reads it, over HTTP and gRPC, and as tidemark's own Go provider
// reads it, as a stream of snapshots.
package sync
