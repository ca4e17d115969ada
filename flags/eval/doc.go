// Package eval answers what a unit gets of a flag, and why.
//
// A Set is compiled once, when something is saved, from definitions in flagd's
// format, the cohorts that they share, and the assignments of running rollouts. It
// is immutable, needs no input or output, and is safe for concurrent use. What a Set
// answers for a plain definition is what flagd answers: the same value, variant,
// reason and error.
//
// A Set adds two things to flagd. An assignment of a rollout decides before the
// flag's own targeting does; Set.Flagd writes it out as the targeting that gives the
// same answers in a stock flagd. And a pin keeps a session on the consistency model
// that it started with, or moves it to a stronger one, never to a weaker.
package eval
