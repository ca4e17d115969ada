// Package decode turns the bodies that senders post into events: tidemark's own
// JSON, CloudEvents, Debezium envelopes, and OpenTelemetry traces and logs.
//
// Every decoder keeps to the same rules. An item that cannot be read is listed in
// Batch.Rejected with its place in the request and does not harm its neighbours.
// An error is returned only when nothing in the body can be used. Nothing that a
// sender said is dropped without a word. Strings of the events may alias the body
// and the Batch: they are valid until the body is released or the Batch is reset.
//
// Decoding does not look at the clock: call Batch.Validate next.
package decode
