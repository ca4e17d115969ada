// Package simulate makes up the telemetry of a replicated store.
//
// The model is WARS (Bailis et al., "Probabilistically Bounded Staleness for
// Practical Partial Quorums", VLDB 2012): a write reaches replica i after W_i and
// its acknowledgement returns after A_i; a read reaches it after R_i and its
// response returns after S_i. On top of it a feature has origins, replicas,
// regions, sessions and arms, and faults that come and go. Conflicts, stale reads
// and broken session guarantees are never injected: they happen when the drawn
// latencies make them happen.
//
// Time is virtual and every draw is seeded: the same scenario, seed and start give
// the same events, byte for byte, on any machine.
package simulate
