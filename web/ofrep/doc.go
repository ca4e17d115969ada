// Package ofrep answers the OpenFeature Remote Evaluation Protocol (OFREP 0.3): what
// one unit gets of one flag or of all, and a stream that says when to ask again.
// Answers and errors have the protocol's form, not that of the other APIs.
package ofrep
