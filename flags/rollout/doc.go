// Package rollout brings a variant of a flag to its cohort step by step, as far and
// as fast as the telemetry allows. Machine is a pure state machine: it is fed with a
// moment, a rollout, the evidence and a command, and answers with the next state.
// Controller feeds it, and stores every transition with its audit record before
// anything outside hears of it.
package rollout
