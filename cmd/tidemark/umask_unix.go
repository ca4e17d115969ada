//go:build unix

package main

import "syscall"

// ownFiles keeps what the program makes from everybody else on the machine, also where
// somebody made the data folder without a thought: SQLite makes files that all may read.
func ownFiles() { syscall.Umask(0o077) }
