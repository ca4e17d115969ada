// Package faults breaks things around a real server, and holds it to what it
// promises: what it acknowledged is there, what it cannot do it says, and what is
// wrong in one place harms nobody elsewhere.
package faults
