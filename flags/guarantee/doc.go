// Package guarantee reads the documents that state what features promise,
// compares their versions, changes them with a plan, and judges every promise
// against what was observed: verdict = promise × observation.
package guarantee
