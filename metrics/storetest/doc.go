// Package storetest holds what every metrics.Store must do, as one suite that each
// store runs, and the plainest store that does it.
package storetest
