// Package metrics holds the nouns of what was observed: telemetry events, their
// versions and clocks, the entities they belong to, the windows and series they
// add up to, and the contracts that a store of them must keep.
//
// Every number that tidemark shows is derived from one thing: a set of immutable
// events keyed by event id. The subpackages are verbs over that set: ingest
// (decode, validate, acknowledge), rollup (fold), report (answer questions),
// session (check guarantees), clock (estimate offsets), provenance (tell one
// write's story), simulate (make events up), client (send them).
package metrics
